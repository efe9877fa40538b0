"""Sheets: many drafts of one picture to choose from, and pictures compared."""
