/// The commit that the program was built from.
public enum SourceCommit {
    /// 12 digits, with a + where files had been changed since; nil where it was built outside a checkout.
    ///
    /// Not inlined, so that what uses it is not compiled again at every commit.
    @inline(never) public static var current: String? { sourceCommit.isEmpty ? nil : sourceCommit }
}
