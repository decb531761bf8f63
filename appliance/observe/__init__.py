"""What the appliance tells about itself: log, metrics, status."""
