//! Medians, percentiles and slopes: pure arithmetic over measured times.

/// The value that a share of the values does not exceed, in the unit of the values; 0 if there are none.
pub(super) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "there are some thousand values at most")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the product is between 0 and the count")]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The value in the middle; 0 if there are none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(half), half.checked_sub(1).and_then(|below| sorted.get(below))) {
        (0, Some(above), Some(below)) => f64::midpoint(*above, *below),
        (_, Some(middle), _) => *middle,
        (_, None, _) => 0.0,
    }
}

/// By how much `y` grows for one of `x`, by least squares over the points; 0 if all points have the same `x`.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are a handful of points")]
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seen: f64, expected: f64) {
        assert!((seen - expected).abs() < 1e-9, "{seen} is not {expected}");
    }

    #[test]
    fn the_usual_definitions_hold() {
        check(median(&[3.0, 1.0, 2.0]), 2.0);
        check(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        check(median(&[]), 0.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(percentile(&hundred, 0.95), 95.0);
        check(percentile(&[7.0], 0.95), 7.0);
        check(percentile(&[], 0.5), 0.0);
        check(slope(&[(0.0, 3.0), (50.0, 53.0), (100.0, 103.0)]), 1.0);
        check(slope(&[(0.0, 3.0), (50.0, 103.0), (100.0, 203.0)]), 2.0);
        check(slope(&[(5.0, 1.0), (5.0, 2.0)]), 0.0);
    }
}
