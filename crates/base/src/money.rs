//! Money and tokens, counted in whole numbers so that sums do not depend on their order.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// US dollars, counted in picodollars (10⁻¹² dollar): one token at $0.0375 a million costs 37,500 of them.
/// Sums saturate at about 18.4 million dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// More than any sum: the cap of somebody who set none.
    pub const MAX: Self = Self(u64::MAX);

    /// From picodollars.
    pub const fn from_pico(pico: u64) -> Self {
        Self(pico)
    }

    /// In picodollars.
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// From dollars; a negative or undefined amount is nothing.
    pub fn from_dollars(dollars: f64) -> Self {
        // `as` saturates and turns NaN into 0.
        Self((dollars * 1e12).round() as u64)
    }

    /// In dollars, for showing and for conditions.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e12
    }

    /// The price of so many tokens at so many dollars a million.
    pub fn per_mtok(tokens: Tokens, dollars_per_million: f64) -> Self {
        Self::from_dollars(tokens.0 as f64 * dollars_per_million / 1e6)
    }

    /// This less that, or nothing.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Usd {
    /// `$0`, `$0.000123`, `$12.50`: at least two significant digits, never a scientific notation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if self.0 == 0 {
            f.write_str("$0")
        } else if dollars >= 0.1 {
            write!(f, "${dollars:.2}")
        } else if dollars >= 0.001 {
            write!(f, "${dollars:.4}")
        } else {
            write!(f, "${dollars:.6}")
        }
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::from_dollars)
    }
}

/// A count of model tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub u64);

impl Add for Tokens {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_a_cheap_model_is_not_rounded_away() {
        assert_eq!(Usd::per_mtok(Tokens(1), 0.0375).pico(), 37_500);
    }

    #[test]
    fn money_is_shown_the_way_people_read_it() {
        let shown = [0.0, 0.000_123, 0.0042, 12.5].map(|d| Usd::from_dollars(d).to_string());
        assert_eq!(shown, ["$0", "$0.000123", "$0.0042", "$12.50"]);
    }

    #[test]
    fn sums_neither_wrap_nor_go_below_nothing() {
        assert_eq!(Usd::MAX + Usd::from_pico(1), Usd::MAX);
        assert_eq!(Usd::ZERO - Usd::from_pico(1), Usd::ZERO);
        assert_eq!(Usd::from_dollars(f64::NAN), Usd::ZERO);
        assert_eq!(Usd::from_dollars(-1.0), Usd::ZERO);
    }
}
