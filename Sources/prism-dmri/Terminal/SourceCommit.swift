import CVersion

/// The commit that the program was built from.
enum SourceCommit {
    /// 12 digits, with a + where files had been changed since; nil where it was built outside a checkout.
    static let current: String? = {
        let text = String(cString: prism_commit())
        return text.isEmpty ? nil : text
    }()
}
