"""What makes pages out of notebooks: predictions, explanations, checks with hints, quizzes, catching up, progress.

What they ask is in ``pages/``, one YAML file a page; what they check in ``exercises/``, one module a page.
"""

from kubechaos_helpers.course.exercise import check, hints
from kubechaos_helpers.course.explanation import explain
from kubechaos_helpers.course.prediction import predict
from kubechaos_helpers.course.preflight import preflight
from kubechaos_helpers.course.progress import progress
from kubechaos_helpers.course.quiz import quiz
from kubechaos_helpers.course.sections import catch_me_up
from kubechaos_helpers.course.taking_along import take_along

__all__ = ["catch_me_up", "check", "explain", "hints", "predict", "preflight", "progress", "quiz", "take_along"]
