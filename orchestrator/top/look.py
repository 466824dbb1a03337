"""How the parts of `orch top` are laid out, in Textual's style sheets."""

CSS = """
Screen { layout: vertical; background: $background; }
Lines { background: $background; scrollbar-size: 1 1; scrollbar-background: $background; }
#head { height: 1; }
#table, #members, #text, #log { height: 1fr; }
#details { height: 0; border-top: solid $panel; }
#filter { display: none; border: none; height: 1; padding: 0; }
#filter.shown { display: block; }
.title { background: $panel; text-style: bold; width: 100%; height: auto; }
.hint { color: $text-muted; }
.fault { color: red; height: auto; }
.label { margin-top: 1; }
#form { height: 1fr; padding: 0 1; }
#result { height: 1; margin-top: 1; }
Ask { align: center middle; }
.box { width: auto; max-width: 90%; height: auto; border: round $warning; padding: 0 1; }
.box Static { width: auto; max-width: 100%; }
"""
