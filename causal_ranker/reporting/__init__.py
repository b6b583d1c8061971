"""Renders the sections it is given to HTML, JSON and the console; knows no statistics.

What a report says is decided above (`evaluation.sections`); here lives only how it looks.
"""
