"""TOML files are read in one way, whatever their tables mean."""

import pytest

from simulacra.formalism import InputError
from simulacra.formalism.toml_files import read_toml, toml_value


def test_what_is_written_is_read(tmp_path):
    values = ['a\x7f"b\\\n\t', "é", 1, 0.5, True, [1, 2], ["x", "y"]]
    (tmp_path / "a.toml").write_text("\ufeff" + "".join(f"k{n} = {toml_value(v)}\n" for n, v in enumerate(values)))
    assert list(read_toml(tmp_path / "a.toml", "options").values()) == values


@pytest.mark.parametrize("content", [b"a = ", b"a = '\xff'", b"a = " + b"[" * 5000, None])
def test_what_is_not_toml_is_refused_with_its_file(tmp_path, content):
    if content is not None:
        (tmp_path / "b.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"b\.toml: cannot be read as x: .*; expected a table; write one\.$") as raised:
        read_toml(tmp_path / "b.toml", "x", expected="a table", remedy="write one", argument="config")
    assert raised.value.argument == ("config",)
