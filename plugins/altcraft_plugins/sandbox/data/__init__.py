"""The sandbox's sqlite database: its tables, its invented population, and transactions."""
