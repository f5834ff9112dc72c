"""Which figures a run has, in the order people look at them."""

from collections.abc import Callable

from matplotlib import rc_context

from .boundaries import draw_boundaries
from .coastline import draw_coastline
from .curves import draw_region_size
from .figures import sweet_spot
from .heatmaps import draw_patterns, draw_scale_region
from .maps import draw_world_map
from .published import draw_published
from .resolution import draw_resolution
from .sheet import Picture
from .similarity import draw_similarity
from .style import RC
from .view import RunView


def _has_map(view: RunView) -> bool:
    return bool((view.predictions["experiment"] == "sweet_spot").any()) and view.present("sweet_spot")


def _has_resolution(view: RunView) -> bool:
    return view.present("resolution") or bool(len(view.spectra))


def _has_published(view: RunView) -> bool:
    return view.protocol == "notebook" and bool(len(view.published))


def _has(experiment: str) -> Callable[[RunView], bool]:
    return lambda view: view.present(experiment)


def _sweet_spot(view: RunView, narrow: bool = False) -> Picture:
    return sweet_spot.draw(view.run, view.answers, narrow)


# The first four are the pictures most wanted, in order (the headline table comes second on the page).
FIGURES: dict[str, tuple[Callable[[RunView], bool], Callable[..., Picture]]] = {
    "resolution": (_has_resolution, draw_resolution),
    "world_map": (_has_map, draw_world_map),
    "scale_region": (_has("scale_region"), draw_scale_region),
    "embedding_similarity": (_has("similarity"), draw_similarity),
    "sweet_spot_fine": (_has("sweet_spot"), _sweet_spot),
    "region_size_effect": (_has("region_size"), draw_region_size),
    "pattern_complexity": (_has("patterns"), draw_patterns),
    "boundary_sharpness": (_has("boundaries"), draw_boundaries),
    "coastline": (_has("coastline"), draw_coastline),
    "published": (_has_published, draw_published),
}


def draw_figures(view: RunView, narrow: bool = False) -> list[Picture]:
    """Every figure that the run has data for.

    Args:
        view: one protocol of a run.
        narrow: panels stacked, for a phone.
    """
    with rc_context(RC):
        return [draw(view, narrow) for has_data, draw in FIGURES.values() if has_data(view)]
