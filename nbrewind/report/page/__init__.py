"""One self-contained HTML page about a run: what ran and why, outputs, tasks, workers, files, dependencies.

It is built as a tree and written by a serializer, so all text is escaped. Nothing in it runs: it holds no script, HTML
that the notebook showed lies in frames without any rights, and its content policy lets it load nothing from anywhere.
"""

from nbrewind.report.page.document import page

__all__ = ["page"]
