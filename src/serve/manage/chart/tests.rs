use super::*;

#[test]
fn bars_stand_on_each_other_and_fill_the_height() {
    let chart = Chart::new("Ends".into(), &[vec![(3, "good"), (1, "bad")], vec![], vec![(0, "good"), (1, "bad")]], &[]);
    let drawn: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height, bar.look)).collect();
    assert_eq!(drawn, [(0, 10, 30, "good"), (0, 0, 10, "bad"), (8, 30, 10, "bad")]);
    assert_eq!((chart.width, chart.height), (12, 40));
    let html = chart.render().expect("it renders");
    assert!(html.contains("role=\"img\"") && !html.contains("style="), "{html}");
}

#[test]
fn little_is_seen_beside_very_much() {
    let chart = Chart::new(String::new(), &[vec![(1, "")], vec![(u64::MAX / 2, "")]], &["<b>".into()]);
    assert_eq!(chart.bars[0].height, 1);
    assert_eq!(chart.bars[1].height, HEIGHT);
    assert!(!chart.render().expect("it renders").contains("<b>"));
}
