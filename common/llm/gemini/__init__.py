"""Gemini through google-generativeai.

Only `adapter` and `transport` import Google's client, which takes seconds and tens of megabytes.
"""
