use crate::config::tests::check;

#[test]
fn products_and_venues() {
    check("[[product]]", "3:1: product.name: the name is missing; write name = \"KXP2\"");
    check(
        "[[product]]\nname = \"K-1\"",
        "4:8: product.name: \"K-1\" is not a product name (1 to 16 letters and digits); write it like \"KXP2\"",
    );
    check(
        "[[product]]\nname = \"A\"\n[[product]]\nname = \"a\"",
        "6:8: product.name: the product A stands already on line 4",
    );
    check(
        "[[product]]\nname = \"A\"\nnaming = \"serail\"",
        "5:10: product.naming: unknown naming \"serail\"; did you mean \"serial\"?",
    );
    check(
        "[[product]]\nname = \"A\"\ndigits = 8",
        "5:10: product.digits: digits belong to naming = \"serial\"; pooled names have a width",
    );
    check(
        "[[product]]\nname = \"A\"\nnaming = \"serial\"\nwidth = 8",
        "6:9: product.width: a width belongs to naming = \"pooled\"; names by serial have digits",
    );
    check(
        "[[product]]\nname = \"A\"\nimage = \"../a.img\"",
        "5:9: product.image: \"../a.img\" is not a file below the image directory; write it like \"kxp2_master.img\"",
    );
    let venue = |text: &str| format!("[[venue]]\ncode = \"SPAA\"\n{text}\n");
    check("[[venue]]", "3:1: venue.code: the code is missing; write code = \"SPAA\"");
    check(
        "[[venue]]\ncode = \"SPA\"",
        "4:8: venue.code: \"SPA\" is not a venue code (four of A-Z and 0-9); write it like \"SPAA\"",
    );
    check(&format!("{}{}", venue(""), venue("")), "7:8: venue.code: the venue SPAA stands already on line 4");
    check(
        &venue("contact_email = \"crew\""),
        "5:17: venue.contact_email: \"crew\" is not an e-mail address; write it like \"crew@example.com\"",
    );
    check(&venue("name = \"a\\nb\""), "5:8: venue.name: a line break or control character is not allowed here");
    check(
        &venue("numbers = { KXP = [1] }"),
        "5:13: venue.numbers.KXP: unknown product \"KXP\"; did you mean \"KXP2\"?",
    );
    check(
        &venue("numbers = { RXP2 = [1] }"),
        "5:13: venue.numbers.RXP2: RXP2 is named by serial number; it needs no numbers",
    );
    check(
        &venue("numbers = { KXP2 = [\"1 to 4\"] }"),
        "5:21: venue.numbers.KXP2: \"1 to 4\" is not a number or a range of numbers; write it like \"1-40\"",
    );
    check(
        &venue("numbers = { KXP2 = [\"4-1\"] }"),
        "5:21: venue.numbers.KXP2: the range 4-1 is reversed; write \"1-4\"",
    );
    check(&venue("numbers = { KXP2 = [\"0-4\"] }"), "5:21: venue.numbers.KXP2: numbers begin at 1");
    check(&venue("numbers = { KXP2 = [\"1-4\", 3] }"), "5:28: venue.numbers.KXP2: the number 3 stands there twice");
    check(
        &venue("numbers = { KXP2 = [\"1-4000000000\"] }"),
        "5:21: venue.numbers.KXP2: the range 1-4000000000 has more than 10000 numbers",
    );
}
