//! The record of every run: journal, table, Markdown.
