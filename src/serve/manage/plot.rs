//! Small plots as SVG: bars and lines over days, and bars of things beside each other. Where everything stands is
//! computed here; how it looks is the style sheet's matter, by class.

use std::fmt::Write as _;

/// Size of a plot, in the units of its drawing.
pub const WIDTH: f64 = 480.0;
/// As above.
pub const HEIGHT: f64 = 160.0;

/// Room for the numbers at the left, and for the days below.
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 22.0;
const TOP: f64 = 8.0;

/// Pixels of a bar beside others.
const ROW: f64 = 26.0;
const NAMES: f64 = 190.0;

/// A plot and the table with the same numbers.
#[derive(Debug, Default)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// The same for who does not see it.
    pub summary: String,
    /// Height of the drawing.
    pub height: f64,
    /// Bars.
    pub bars: Vec<Bar>,
    /// Lines.
    pub lines: Vec<Line>,
    /// Words in it.
    pub texts: Vec<Text>,
    /// What the classes mean.
    pub legend: Vec<(&'static str, &'static str)>,
    /// The table's heading.
    pub heads: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// A rectangle.
#[derive(Debug)]
pub struct Bar {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Its class.
    pub look: &'static str,
}

/// A line through points, each with a mark: a day between days without a value has no neighbours to be joined to.
#[derive(Debug)]
pub struct Line {
    /// `x,y x,y`.
    pub points: String,
    /// The marks.
    pub marks: Vec<(f64, f64)>,
    /// Its class.
    pub look: &'static str,
}

/// Words at a place.
#[derive(Debug)]
pub struct Text {
    /// Where.
    pub x: f64,
    /// Its base line.
    pub y: f64,
    /// On which side of the place it ends.
    pub anchor: &'static str,
    /// The words.
    pub text: String,
}

/// The days that a plot is over.
#[derive(Clone, Debug)]
pub struct Days {
    /// The first, as `2026-11-01`.
    pub first: String,
    /// The last.
    pub last: String,
    /// How many.
    pub count: usize,
}

impl Days {
    fn x(&self, day: usize) -> f64 {
        LEFT + self.step() * (day as f64 + 0.5)
    }

    fn step(&self) -> f64 {
        (WIDTH - LEFT) / self.count.max(1) as f64
    }
}

fn y(value: f64, most: f64) -> f64 {
    let room = HEIGHT - TOP - BOTTOM;
    HEIGHT - BOTTOM - room * (value / most)
}

/// The frame of a plot over days: how much the top is, and between which days.
fn frame(days: &Days, most: String) -> Vec<Text> {
    let base = HEIGHT - 6.0;
    let mut texts = vec![
        Text { x: LEFT - 4.0, y: TOP + 8.0, anchor: "end", text: most },
        Text { x: LEFT - 4.0, y: HEIGHT - BOTTOM, anchor: "end", text: "0".into() },
        Text { x: LEFT, y: base, anchor: "start", text: days.first.clone() },
    ];
    if days.count > 1 {
        texts.push(Text { x: WIDTH, y: base, anchor: "end", text: days.last.clone() });
    }
    texts
}

/// What stands on top of each other: of each day its number and, for each look, how many.
pub fn stacked(days: &Days, values: &[(usize, Vec<u64>)], looks: &[&'static str]) -> Plot {
    let most = values.iter().map(|(_, counts)| counts.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let width = (days.step() * 0.8).max(1.0);
    let mut bars = Vec::new();
    for (day, counts) in values {
        let mut below = 0;
        for (count, look) in counts.iter().zip(looks).filter(|(count, _)| **count > 0) {
            let (from, to) = (y(below as f64, most as f64), y((below + count) as f64, most as f64));
            bars.push(Bar {
                x: round(days.x(*day) - width / 2.0),
                y: round(to),
                width: round(width),
                height: round(from - to),
                look,
            });
            below += count;
        }
    }
    Plot { bars, texts: frame(days, most.to_string()), height: HEIGHT, ..Plot::default() }
}

/// Lines: of each look its values by day. `spell` says what the top is.
pub fn lines(days: &Days, series: &[(&'static str, Vec<(usize, f64)>)], spell: fn(f64) -> String) -> Plot {
    let most = series.iter().flat_map(|(_, values)| values).map(|(_, value)| *value).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let lines = series.iter().map(|(look, values)| {
        let marks: Vec<(f64, f64)> =
            values.iter().map(|(day, value)| (round(days.x(*day)), round(y(*value, most)))).collect();
        let mut points = String::new();
        for (x, y) in &marks {
            // Writing to a String cannot fail.
            _ = write!(points, "{x},{y} ");
        }
        Line { points: points.trim_end().to_owned(), marks, look }
    });
    Plot { lines: lines.collect(), texts: frame(days, spell(most)), height: HEIGHT, ..Plot::default() }
}

/// Bars beside names, each with what its length says.
pub fn named(rows: &[(String, f64, String)], look: &'static str) -> Plot {
    let most = rows.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    let room = WIDTH - NAMES - 70.0;
    let mut plot = Plot { height: ROW * rows.len().max(1) as f64, ..Plot::default() };
    for (index, (name, value, said)) in rows.iter().enumerate() {
        let top = ROW * index as f64;
        let width = if most > 0.0 { (room * value / most).max(1.0) } else { 1.0 };
        plot.bars.push(Bar { x: NAMES, y: top + 4.0, width: round(width), height: ROW - 8.0, look });
        let name =
            if name.chars().count() > 26 { name.chars().take(25).chain(['…']).collect() } else { name.clone() };
        plot.texts.push(Text { x: NAMES - 6.0, y: top + 18.0, anchor: "end", text: name });
        plot.texts.push(Text { x: round(NAMES + width + 6.0), y: top + 18.0, anchor: "start", text: said.clone() });
    }
    plot
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
