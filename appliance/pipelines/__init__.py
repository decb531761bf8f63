"""Where frames meet plans: lanes, and the planning of what they run."""
