import Inference

/// What is to be said of a λ before it is used.
enum LambdaRange {
    /// A warning, or nil where λ lies in the range that draws are allotted for.
    static func warning(_ lambda: Double) -> String? {
        let most = DrawAllocation.range.upperBound
        guard lambda > most else { return nil }
        return
            "λ = \(lambda) is above \(most): draws are kept for smaller λ only, and maps of parameters may rest on few."
    }
}
