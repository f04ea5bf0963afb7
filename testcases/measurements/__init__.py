"""The measurements: figures with repetitions."""
