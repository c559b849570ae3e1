"""Interoperation with phones that we did not write: each phone, each step, each transport and IP version.

``matrix`` says what is tried and what a phone cannot do; the table in ``docs/phones.md`` is made from it.
"""
