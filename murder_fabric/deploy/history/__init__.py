"""What one has after a run: its record, where records lie, and how they are shown, as text and as a page."""
