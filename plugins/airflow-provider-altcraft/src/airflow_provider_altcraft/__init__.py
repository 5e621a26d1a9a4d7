"""An Apache Airflow provider for altcraft-client: hook, operators, sensor and trigger.

Page: docs/how-to/airflow.md. The modules are imported one by one: the triggerer imports `triggers` in its event loop,
and so that module stays light.
"""
