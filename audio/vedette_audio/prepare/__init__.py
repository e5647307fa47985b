"""From somebody's folder of sounds to a manifest that can be trusted.

One noun per module: ``cards`` (what a source is), ``layouts`` (its files), ``listen`` and ``facts`` (its
sound), ``fingerprint`` and ``twins``, ``groups`` (recordings), ``cues`` (format), ``suspects`` and
``contradicted`` (odd clips), ``preparation`` (all of it in order), ``audit`` (again, on manifests that
exist), ``findings`` and ``manifest`` (what is written), ``summary`` (what is drawn).
"""
