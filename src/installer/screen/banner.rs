//! Words that can be read from across the room, out of characters that every console has.

/// Five rows of letters, each five wide; only those of the words that are shown.
const LETTERS: [(char, [&str; 5]); 8] = [
    ('A', [" ### ", "#   #", "#####", "#   #", "#   #"]),
    ('D', ["#### ", "#   #", "#   #", "#   #", "#### "]),
    ('E', ["#####", "#    ", "#### ", "#    ", "#####"]),
    ('F', ["#####", "#    ", "#### ", "#    ", "#    "]),
    ('I', ["#####", "  #  ", "  #  ", "  #  ", "#####"]),
    ('L', ["#    ", "#    ", "#    ", "#    ", "#####"]),
    ('N', ["#   #", "##  #", "# # #", "#  ##", "#   #"]),
    ('O', [" ### ", "#   #", "#   #", "#   #", " ### "]),
];

/// A word in rows of large letters; what has no letter here is left out.
pub fn letters(word: &str) -> Vec<String> {
    let glyphs: Vec<&[&str; 5]> =
        word.chars().filter_map(|c| LETTERS.iter().find(|(letter, _)| *letter == c)).map(|(_, rows)| rows).collect();
    let row = |index: usize| glyphs.iter().map(|rows| rows[index]).collect::<Vec<_>>().join("   ");
    (0..5).map(|index| row(index).trim_end().to_owned()).collect()
}
