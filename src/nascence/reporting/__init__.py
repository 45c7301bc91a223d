"""What a run found, as a page to show: charts and cells as SVG, one self-contained HTML file."""

from nascence.reporting.cell import cell_svg, cell_svgs
from nascence.reporting.cloud import random_cloud
from nascence.reporting.report import write_report

__all__ = ["cell_svg", "cell_svgs", "random_cloud", "write_report"]
