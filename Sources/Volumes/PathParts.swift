/// Parts of a file's path. Foundation's own stop the program at a name of one character (swift-corelibs-foundation, `NSString.deletingLastPathComponent`).
extension String {
    /// What stands after the last slash, slashes at the end left aside.
    public var fileName: String {
        let path = withoutLastSlashes
        return String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
    }

    /// What stands before the last slash: empty where there is none, `/` for what lies in the root.
    public var parentFolder: String {
        let path = withoutLastSlashes
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash].withoutLastSlashes)
    }
}

extension StringProtocol {
    fileprivate var withoutLastSlashes: SubSequence {
        var end = endIndex
        while end > startIndex, self[index(before: end)] == "/" { end = index(before: end) }
        return self[..<end]
    }
}
