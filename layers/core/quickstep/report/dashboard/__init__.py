"""The dashboard of scaling decisions: records and metrics become a view, and a view becomes HTML.

    records + metrics -> material -> view -> HTML with inline SVG

Pure, and without scripts: the same HTML is a CloudWatch widget, a local page and a saved file.
"""
