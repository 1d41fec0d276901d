"""Plan: verified rows on disk, and what is to be done with each before anything is sent."""
