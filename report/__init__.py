"""Reporting a result: tables, figures, citations and the report itself."""

from simulacra.report.bibliography import bibliography as bibliography
from simulacra.report.citations import format_citation as format_citation
from simulacra.report.document import write_report as write_report
from simulacra.report.document import write_reports as write_reports
from simulacra.report.figures.writing import write_figures as write_figures
from simulacra.report.tables import format_table as format_table
from simulacra.report.tables import result_tables as result_tables
from simulacra.report.verification import verify_paper as verify_paper
