"""Whether the arms have as many users as they should: asked before anything else is."""

from __future__ import annotations

from dataclasses import dataclass

from causal_ranker.errors import EmptyError
from causal_ranker.stats._arrays import positive_count, share

__all__ = ["SampleRatio", "sample_ratio"]

_BLOCKS_BELOW = 0.001


@dataclass(frozen=True)
class SampleRatio:
    """How many users the arms have, and how likely that is by chance.

    Parameters
    ----------
    treated, control : int
        Users in each arm.
    expected_share : float
        Share that the new arm should have.
    p_value : float
        Of the chi-squared test with one degree of freedom.
    """

    treated: int
    control: int
    expected_share: float
    p_value: float

    @property
    def blocks(self) -> bool:
        """Whether the arms differ so much in size (p < .001) that nothing may be read."""
        return self.p_value < _BLOCKS_BELOW


def sample_ratio(treated: int, control: int, *, expected_share: float = 0.5) -> SampleRatio:
    """Test for a sample-ratio mismatch.

    Parameters
    ----------
    treated, control : int
        Users in each arm.
    expected_share : float
        Share that the new arm should have.

    Returns
    -------
    SampleRatio
        The test.

    Raises
    ------
    ConfigError
        If the share is not strictly between 0 and 1, or a count is not a whole number of 0 or more.
    EmptyError
        If an arm has no user.
    """
    from scipy.stats import chi2

    wanted = share(expected_share, name="expected_share")
    counts = {
        "the new arm": positive_count(treated, name="treated", least=0),
        "the control": positive_count(control, name="control", least=0),
    }
    for name, count in counts.items():
        if count == 0:
            raise EmptyError(
                expected=f"users in {name}",
                came=f"none, where the other has {treated + control:,}",
                do="Check how arms are named, and whether the assignment was written down.",
            )
    users = treated + control
    distance = (treated - users * wanted) ** 2 / (users * wanted * (1 - wanted))
    return SampleRatio(treated, control, wanted, float(chi2.sf(distance, 1)))
