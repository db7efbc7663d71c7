use crate::config::tests::{check, config};

#[test]
fn options() {
    let option = |text: &str| format!("[network.options]\n{text}");
    check(
        &option("0 = { type = \"u8\", value = 1 }"),
        "4:1: network.options.0: \"0\" is not an option number; options are numbered 1 to 254",
    );
    check(
        &option("mtu = { type = \"u8\", value = 1 }"),
        "4:1: network.options.mtu: \"mtu\" is not an option number; options are numbered 1 to 254",
    );
    check(
        &option("42 = { type = \"u8\", value = 1 }"),
        "4:1: network.options.42: option 42 has a key of its own; set it by network.ntp",
    )
}

#[test]
fn option_values() {
    let option = |text: &str| format!("[network.options]\n100 = {text}");
    let at = |column: usize, rest: &str| format!("4:{column}: network.options.100{rest}");
    check(
        &option("{ value = 1 }"),
        &at(
            1,
            ".type: the type is missing; one of address, text, u8, u16, u32, i32, bool, hex, encapsulated, domains, routes",
        ),
    );
    check(
        &option("{ type = \"u8\" }"),
        &at(1, ".value: the value is missing; write { type = \"text\", value = \"…\" }"),
    );
    check(
        &option("{ type = \"u61\", value = 1 }"),
        &at(16, ".type: unknown option type \"u61\"; did you mean \"u16\"?"),
    );
    check(&option("{ type = \"u8\", value = [1, 256] }"), &at(34, ".value: 256 is not within 0 to 255"));
    check(
        &option("{ type = \"hex\", value = \"0f 1\" }"),
        &at(31, ".value: \"0f 1\" is not bytes in hex; write it like \"01 ff a0\""),
    );
    check(
        &option("{ type = \"text\", value = \"\" }"),
        &at(32, ".value: the value has 0 bytes; an option holds 1 to 1200"),
    );
    check(
        &option("{ type = \"text\", value = 3 }"),
        &at(32, ".value: expected a string, found a whole number; put it in quotes"),
    );
    check(
        &option("{ type = \"address\", value = \"x\" }"),
        &at(35, ".value: \"x\" is not an IPv4 address; write it like \"192.168.151.1\""),
    );
    check(
        "[network.options]\n61 = { type = \"u8\", value = 1 }",
        "4:1: network.options.61: option 61 is decided for every reply; leave it out",
    );
    check(
        "[network.options]\n100 = { type = \"u8\", value = 1 }\n0100 = { type = \"u8\", value = 1 }",
        "4:1: network.options.100: option 100 stands there twice",
    );
    let config = config("[network.options]\n100 = { type = \"u32\", value = [1, 0xffffffff] }");
    let expected = crate::site::DhcpOption::new(100, [0, 0, 0, 1, 255, 255, 255, 255]);
    assert_eq!(config.site.links[0].options.last(), Some(&expected));
}

#[test]
fn options_that_are_made_of_options() {
    let config = config(
        "[network.options]\n43 = { type = \"encapsulated\", value = { 2 = { type = \"bool\", value = true }, 1 = { type = \"u16\", value = 7 } } }",
    );
    let option = config.site.links[0].options.iter().find(|option| option.number == 43);
    assert_eq!(option.map(|option| option.value.as_slice()), Some(&[1, 2, 0, 7, 2, 1, 1][..]));
    check(
        "[options]\n125 = { type = \"u8\", enterprise = 9, value = 1 }",
        "4:46: options.125.value: an enterprise has encapsulated options of at most 255 bytes",
    );
}

#[test]
fn wpad_is_not_served() {
    check(
        "[options]\n252 = { type = \"text\", value = \"http://proxy/wpad.dat\" }",
        "4:1: options.252: option 252 gives every browser a proxy, and machines here need none; leave it out",
    );
    check(
        "domain = \"wpad.example.com\"",
        "3:10: network.domain: \"wpad.example.com\" is not a domain name; write it like \"bench.example.com\"",
    );
}

#[test]
fn domains_and_routes() {
    let option = |text: &str| format!("[network.options]\n{text}");
    check(
        &option("119 = { type = \"text\", value = \"bench.example.com\" }"),
        "4:16: network.options.119.type: a client would not read this option as text; write type = \"domains\"",
    );
    check(
        &option("119 = { type = \"domains\", value = [\"bench.example.com\", \"a b\"] }"),
        "4:57: network.options.119.value: \"a b\" is not a domain; write it like \"bench.example.com\"",
    );
    check(
        &option("121 = { type = \"routes\", value = \"10.0.0.1/8 via 192.168.151.254\" }"),
        "4:34: network.options.121.value: \"10.0.0.1/8 via 192.168.151.254\" is not a route; write it like \
         \"10.0.0.0/8 via 192.168.151.254\"",
    );
    let text = option(
        "121 = { type = \"routes\", value = \"10.0.0.0/8 via 192.168.151.254\" }\n249 = { type = \"hex\", value = \"00\" }",
    );
    let options = &config(&text).site.links[0].options;
    let value = |number| options.iter().find(|option| option.number == number).map(|option| option.value.clone());
    assert_eq!(value(121), Some(vec![8, 10, 192, 168, 151, 254]));
    assert_eq!(value(249), Some(vec![0]));
}
