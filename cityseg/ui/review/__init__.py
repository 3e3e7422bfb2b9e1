"""The desk of the page Review: what to judge, the verdicts, and the audit that finds it."""
