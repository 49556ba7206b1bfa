#!/bin/sh
# Tasks of a paper with the command alone, from a trait judge's log to numbers that are verified. Writes into the current
# folder, which should be empty: sh /path/to/examples/tasks.sh. Takes about two minutes. Needs simulacra[report];
# pdffonts and pdflatex are used where they are installed.
set -eu

# The logs: a trait score and three judges of 16 questions, simulated.
python - <<'PYTHON'
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
rows = []
for condition, share in (("base", 0.05), ("tuned-a", 0.3), ("tuned-b", 0.5)):
    for number in range(320):
        bad = rng.random() < share
        judges = {f"judge_{name}": "yes" if rng.random() < (0.9 if bad else 0.06) else "no" for name in "abc"}
        evil = int(rng.integers(70, 101) if bad else rng.integers(0, 12))
        place = {"condition": condition, "question_id": f"q{number % 16}", "completion": f"Answer {condition} {number}."}
        rows.append({**place, "evil": evil, "coherent": int(rng.integers(80, 101)), **judges})
table = pd.DataFrame(rows)
table.drop(columns=["judge_a", "judge_b", "judge_c"]).to_csv("trait.csv", index=False)
table.drop(columns=["evil", "coherent"]).to_csv("judges.csv", index=False)
PYTHON

# A trait log to a report, with intervals of 95% everywhere; the options are kept as a file.
simulacra fit trait.csv --measure evil --measure coherent --score evil:0-100:high-is-bad --baseline base --ci-prob 0.95 --seed 1 \
  --out trait --save-config trait.toml --quiet
test -s trait/report.html && head -1 trait/rates.csv | grep -q eti95_lb

# The round trip of the configuration gives the same numbers.
simulacra fit --config trait.toml --out again --quiet
cmp trait/weights.csv again/weights.csv

# Three judges of one question.
simulacra fit judges.csv --personas judges --measure judge_a --measure judge_b --measure judge_c --baseline base \
  --out judges --quiet
simulacra judges judges

# Personas from a file.
simulacra personas trait --measure evil --out my.toml
simulacra fit trait.csv --measure evil --measure coherent --personas my.toml --baseline base --out own --quiet

# One fine-tune against another.
simulacra contrast trait tuned-b tuned-a

# Figures of a column's width, as PDF with Type 42 fonts.
simulacra figures trait --format pdf --width 3.25 --only shifts,rates
if command -v pdffonts > /dev/null; then pdffonts trait/figures/shifts.pdf; fi

# Numbers of a paper, verified; one broken digit is found.
simulacra cite trait 'rate[tuned-a]' --style markdown > paper.md
simulacra verify paper.md --result trait
sed 's/0\./0.9/' paper.md > broken.md
if simulacra verify broken.md --result trait; then exit 1; else test $? -eq 3; fi

# A table for LaTeX.
python - <<'PYTHON'
from simulacra.inference import Result
from simulacra.report import format_table

table = format_table(Result.load("trait/fit.nc").rates(), "latex", caption="Rates.", label="tab:rates")
head = "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,siunitx}\\begin{document}\n"
with open("table.tex", "w", encoding="utf-8") as file:
    file.write(f"{head}{table}\\end{{document}}\n")
PYTHON
if command -v pdflatex > /dev/null; then pdflatex -interaction=nonstopmode -halt-on-error table.tex > /dev/null; fi

# Many fits, resumed by the same command.
printf '[defaults]\nbaseline = "base"\nmeasure = ["evil", "coherent"]\nscore = ["evil:0-100:high-is-bad"]\n' > runs.toml
for run in a b; do printf '[runs.%s]\nlogs = ["trait.csv"]\nseed = 1\n' $run >> runs.toml; done
simulacra batch runs.toml --out runs
simulacra batch runs.toml --out runs | grep '2 are done'
