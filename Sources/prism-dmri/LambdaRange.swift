import Inference

/// What is to be said of a λ before it is used.
enum LambdaRange {
    /// A warning, or nil where λ lies in the range that a fit serves.
    static func warning(_ lambda: Double, _ metadata: PosteriorMetadata) -> String? {
        let most = metadata.largestTrustedLambda
        guard lambda > most else { return nil }
        return "λ = \(lambda) is above \(most): draws are kept for smaller λ only, and maps of parameters may rest on few."
    }
}
