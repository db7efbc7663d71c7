//! Small charts of bars, as SVG: drawn here, so that they show without JavaScript and need no style of their own.

use askama::Template;

/// The height of a chart in its own units.
const HEIGHT: u64 = 40;

/// A chart. What it shows is also said in words, for those who cannot see it.
#[derive(Debug, Template)]
#[template(path = "chart.html", config = "src/serve/manage/askama.toml")]
pub struct Chart {
    /// What it shows, and the most it shows.
    pub title: String,
    width: usize,
    height: u64,
    bars: Vec<Bar>,
}

/// A bar, or a part of one.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    x: usize,
    y: u64,
    height: u64,
    look: &'static str,
    title: String,
}

impl Chart {
    /// Bars of parts that stand on each other, each part with its look; `titles` say what each bar is.
    pub fn new(title: String, bars: &[Vec<(u64, &'static str)>], titles: &[String]) -> Chart {
        let total = |parts: &Vec<(u64, &'static str)>| parts.iter().map(|(value, _)| *value).sum::<u64>();
        let most = bars.iter().map(total).max().unwrap_or_default().max(1);
        let mut drawn = Vec::new();
        for (index, parts) in bars.iter().enumerate() {
            let mut top = HEIGHT;
            for (value, look) in parts.iter().filter(|(value, _)| *value > 0) {
                let share = u128::from(*value) * u128::from(HEIGHT) / u128::from(most);
                // Little is more than nothing.
                let height = u64::try_from(share).unwrap_or(HEIGHT).max(1).min(top);
                top -= height;
                let title = titles.get(index).cloned().unwrap_or_default();
                drawn.push(Bar { x: index * 4, y: top, height, look, title });
            }
        }
        Chart { title, width: bars.len() * 4, height: HEIGHT, bars: drawn }
    }
}

#[cfg(test)]
mod tests;
