//! The answer templates of the repository, compiled in, so that a fresh binary boots machines.

/// Name and text of every built-in template.
pub const TEMPLATES: [(&str, &str); 17] = [
    ("debian/preseed.cfg", include_str!("../../answer-templates/debian/preseed.cfg")),
    ("grub/disk.cfg", include_str!("../../answer-templates/grub/disk.cfg")),
    ("grub/grub.cfg", include_str!("../../answer-templates/grub/grub.cfg")),
    ("ipxe/boot.ipxe", include_str!("../../answer-templates/ipxe/boot.ipxe")),
    ("ipxe/disk.ipxe", include_str!("../../answer-templates/ipxe/disk.ipxe")),
    ("nocloud/meta-data", include_str!("../../answer-templates/nocloud/meta-data")),
    ("nocloud/network-config", include_str!("../../answer-templates/nocloud/network-config")),
    ("nocloud/user-data", include_str!("../../answer-templates/nocloud/user-data")),
    ("pi/cmdline.txt", include_str!("../../answer-templates/pi/cmdline.txt")),
    ("pi/config.txt", include_str!("../../answer-templates/pi/config.txt")),
    ("pi/firstrun.sh", include_str!("../../answer-templates/pi/firstrun.sh")),
    ("proxmox/answer.toml", include_str!("../../answer-templates/proxmox/answer.toml")),
    ("pxelinux/default", include_str!("../../answer-templates/pxelinux/default")),
    ("pxelinux/disk", include_str!("../../answer-templates/pxelinux/disk")),
    ("ubuntu/meta-data", include_str!("../../answer-templates/ubuntu/meta-data")),
    ("ubuntu/user-data", include_str!("../../answer-templates/ubuntu/user-data")),
    ("ubuntu/vendor-data", include_str!("../../answer-templates/ubuntu/vendor-data")),
];

/// The text of the built-in template of that name.
pub fn template(name: &str) -> Option<&'static str> {
    TEMPLATES.iter().find(|(each, _)| *each == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests;
