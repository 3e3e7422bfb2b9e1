"""Plotly figures: scores in, figures out."""
