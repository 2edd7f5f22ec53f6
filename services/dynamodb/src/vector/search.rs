//! Looking for the nearest: one pass over the packed vectors, with the best of them kept in a heap.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bytes::Bytes;
use store::{Range, Snapshot};

use super::{ABSENT, Distance, VectorIndex};
use crate::codec::Corrupt;
use crate::error::Error;
use crate::table::Table;

/// What is sought in an index.
pub struct Search<'a> {
    pub table: &'a Table,
    pub index: &'a VectorIndex,
    pub vector: Vec<f32>,
    /// The encoded value of the partition's attribute, where the index has one.
    pub hash: Option<Vec<u8>>,
    /// What each of the inline filters must be, encoded, in their order.
    pub filters: Vec<Option<Vec<u8>>>,
    pub top: usize,
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    pub score: f64,
    /// The place of its item in the table.
    pub place: Bytes,
    pub entry: Bytes,
}

/// How far an entry is from what is sought; smaller is nearer. Of equals the earlier is the nearer.
struct Candidate {
    distance: f64,
    turn: usize,
    hit: Hit,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Candidate) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.turn.cmp(&other.turn))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Candidate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Candidate) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl Search<'_> {
    /// The nearest entries, nearest first, and how many bytes of vectors were looked at.
    pub fn run(&self, snapshot: &Snapshot) -> Result<(Vec<Hit>, usize), Error> {
        let prefix = self.table.vector_prefix(self.index, self.hash.as_deref());
        let mut best = BinaryHeap::with_capacity(self.top + 1);
        let mut examined = 0;
        let filtered = self.filters.iter().any(Option::is_some);
        let measure = Measure::new(self.index.distance, &self.vector);
        for (turn, found) in snapshot.scan(Range::prefix(prefix.clone())).enumerate() {
            let (key, entry) = found?;
            let (vector, rest) = entry.split_at_checked(4 * self.index.dimensions).ok_or(Corrupt)?;
            if filtered && !self.passes(rest)? {
                continue;
            }
            examined += vector.len();
            let score = measure.score(vector);
            let distance = if self.index.distance == Distance::DotProduct { -score } else { score };
            let nearer = best.len() < self.top
                || best.peek().is_some_and(|worst: &Candidate| distance.total_cmp(&worst.distance) == Ordering::Less);
            if nearer {
                let hit = Hit { score, place: key.slice(prefix.len().min(key.len())..), entry: entry.clone() };
                best.push(Candidate { distance, turn, hit });
                if best.len() > self.top {
                    best.pop();
                }
            }
        }
        Ok((best.into_sorted_vec().into_iter().map(|candidate| candidate.hit).collect(), examined))
    }

    fn passes(&self, mut packed: &[u8]) -> Result<bool, Corrupt> {
        for wanted in &self.filters {
            let (length, rest) = packed.split_first_chunk::<4>().ok_or(Corrupt)?;
            let length = u32::from_le_bytes(*length);
            let (value, rest) = match length {
                ABSENT => (None, rest),
                length => {
                    rest.split_at_checked(length as usize).map(|(value, rest)| (Some(value), rest)).ok_or(Corrupt)?
                }
            };
            if wanted.is_some() && wanted.as_deref() != value {
                return Ok(false);
            }
            packed = rest;
        }
        Ok(true)
    }
}

/// What packed vectors are compared with, and how.
struct Measure<'a> {
    distance: Distance,
    sought: &'a [f32],
    /// The square of its length.
    square: f64,
}

impl<'a> Measure<'a> {
    fn new(distance: Distance, sought: &'a [f32]) -> Measure<'a> {
        let packed: Vec<u8> = sought.iter().flat_map(|number| number.to_le_bytes()).collect();
        let [_, square] = sums(sought, &packed, |_, b| [0.0, b * b]);
        Measure { distance, sought, square }
    }

    /// The score of a packed vector, as the API reports it.
    fn score(&self, packed: &[u8]) -> f64 {
        match self.distance {
            Distance::DotProduct => sums(self.sought, packed, |a, b| [a * b])[0],
            Distance::Euclidean => sums(self.sought, packed, |a, b| [(a - b) * (a - b)])[0].sqrt(),
            Distance::Cosine => {
                let [product, square] = sums(self.sought, packed, |a, b| [a * b, b * b]);
                let squares = self.square * square;
                // A vector without a length has no direction: it is like nothing, and unlike nothing.
                if squares == 0.0 { 1.0 } else { (1.0 - product / squares.sqrt()).clamp(0.0, 2.0) }
            }
        }
    }
}

/// Sums over the pairs of two vectors, each in several lanes at once.
fn sums<const N: usize>(sought: &[f32], packed: &[u8], of: impl Fn(f64, f64) -> [f64; N]) -> [f64; N] {
    const LANES: usize = 8;
    let mut lanes = [[0.0f64; LANES]; N];
    let (singles, _) = packed.as_chunks::<4>();
    let (whole, rest) = sought.as_chunks::<LANES>();
    let (packed, packed_rest) = singles.as_chunks::<LANES>();
    let mut add = |lane: usize, a: f32, b: [u8; 4]| {
        let terms = of(f64::from(a), f64::from(f32::from_le_bytes(b)));
        lanes.iter_mut().zip(terms).for_each(|(lanes, term)| lanes[lane] += term);
    };
    for (sought, packed) in whole.iter().zip(packed) {
        for lane in 0..LANES {
            add(lane, sought[lane], packed[lane]);
        }
    }
    for (lane, (a, b)) in rest.iter().zip(packed_rest).enumerate() {
        add(lane, *a, *b);
    }
    lanes.map(|lanes| lanes.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(distance: Distance, sought: &[f32], packed: &[u8]) -> f64 {
        Measure::new(distance, sought).score(packed)
    }

    fn packed(vector: &[f32]) -> Vec<u8> {
        vector.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn scores_mean_what_they_should() {
        let of = |distance, a: &[f32], b: &[f32]| score(distance, a, &packed(b));
        assert_eq!(of(Distance::Cosine, &[1.0, 0.0], &[10.0, 0.0]), 0.0);
        assert_eq!(of(Distance::Cosine, &[1.0, 0.0], &[0.0, 3.0]), 1.0);
        assert_eq!(of(Distance::Cosine, &[1.0, 0.0], &[-2.0, 0.0]), 2.0);
        assert_eq!(of(Distance::Cosine, &[1.0, 0.0], &[0.0, 0.0]), 1.0);
        assert_eq!(of(Distance::Euclidean, &[1.0, 0.0], &[10.0, 0.0]), 9.0);
        assert_eq!(of(Distance::DotProduct, &[1.0, 2.0], &[3.0, -4.0]), -5.0);
    }

    proptest! {
        #[test]
        fn lanes_do_not_matter(pairs in prop::collection::vec((-100i16..100, -100i16..100), 0..40)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().map(|(a, b)| (f32::from(*a), f32::from(*b))).unzip();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert_eq!(score(Distance::DotProduct, &a, &packed(&b)), plain);
        }

        #[test]
        fn the_same_vector_is_at_no_distance(a in prop::collection::vec(-1e3f32..1e3, 1..40)) {
            for distance in [Distance::Cosine, Distance::Euclidean] {
                let expected = if distance == Distance::Cosine && a.iter().all(|n| *n == 0.0) { 1.0 } else { 0.0 };
                prop_assert_eq!(score(distance, &a, &packed(&a)), expected);
            }
        }
    }
}
