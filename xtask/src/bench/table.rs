//! What the benchmark prints: aligned columns for a person, JSON for a program.

use serde_json::{Value, json};

/// A figure that was measured, beside what is to be reached.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// The number with its unit.
    pub(super) measured: String,
    /// What is to be reached; empty where there is no target.
    pub(super) target: String,
    /// Whether it is reached; `None` where there is no target.
    pub(super) reached: Option<bool>,
}

impl Figure {
    /// A figure with a target.
    pub(super) fn new(what: impl Into<String>, figure: impl Into<String>, target: impl Into<String>, reached: bool) -> Self {
        Self { what: what.into(), measured: figure.into(), target: target.into(), reached: Some(reached) }
    }

    /// A figure that stands beside others for comparison.
    pub(super) fn beside(what: impl Into<String>, figure: impl Into<String>) -> Self {
        Self { what: what.into(), measured: figure.into(), target: String::new(), reached: None }
    }
}

/// The figures as aligned columns.
pub(super) fn figures(figures: &[Figure]) -> String {
    let reached = |figure: &Figure| match figure.reached {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let head = ["what", "figure", "target", "reached"].map(str::to_owned).to_vec();
    let rows = figures.iter().map(|f| vec![f.what.clone(), f.measured.clone(), f.target.clone(), reached(f).to_owned()]);
    columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// The figures as JSON.
pub(super) fn as_json(figures: &[Figure]) -> Value {
    let rows = figures.iter().map(|f| json!({"what": f.what, "figure": f.measured, "target": f.target, "reached": f.reached}));
    Value::Array(rows.collect())
}

/// Rows with every column as wide as its widest cell; two spaces between them.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_a_miss_stands_out() {
        let rows = [Figure::new("a long name", "1 ms", "2 ms", true), Figure::new("b", "3 ms", "2 ms", false), Figure::beside("c", "9 ms")];
        let expected = "what         figure  target  reached\n\
                        a long name  1 ms    2 ms    yes\n\
                        b            3 ms    2 ms    NO\n\
                        c            9 ms\n";
        assert_eq!(figures(&rows), expected);
        assert_eq!(as_json(&rows)[1]["reached"], false);
        assert_eq!(as_json(&rows)[2]["reached"], Value::Null);
    }
}
