"""Which SKUs a video sells: from what it shows, writes and says, and what the merchant declares.

A pure function of stored rows: segments and catalog in, scored links with evidence out, so
linking can be redone without touching a video.

catalog, matches < names, likeness < visual, writing, speech, sound, meaning < calibration < link
"""
