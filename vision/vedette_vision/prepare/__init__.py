"""From somebody's folder of labelled pictures to a manifest that can be trusted.

One noun per module: ``cards`` (what a source is), ``labelled`` (a picture with its boxes), the layouts
``yolo``, ``voc``, ``coco``, ``deepcam`` and ``openimages``, ``sources`` (which of them), ``header`` and
``look`` (the picture files), ``nearness`` (near-duplicates), ``scenes`` (groups), ``preparation`` (all of it
in order), ``audit`` (again, on manifests that exist), ``findings`` and ``manifest`` (what is written),
``convert`` (to other formats), ``summary`` (what is drawn), ``drafts`` (labels by the detector) and
``compare`` (two label sets).
"""
