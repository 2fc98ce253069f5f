"""The local page: the dashboard of decisions in a browser, live, over loopback only."""
