import Inference

/// What is to be said of a λ before it is used.
enum LambdaRange {
    /// A warning, or nil where λ lies in the range that a fit serves.
    static func warning(_ lambda: Double, _ metadata: PosteriorMetadata) -> String? {
        let most = metadata.largestTrustedLambda
        guard lambda > most else { return nil }
        return most < DrawAllocation.range.upperBound
            ? "λ = \(lambda) is above \(most): the network alone does not resolve probabilities so small, and clear fibres may be lost; use --preset balanced or a smaller λ."
            : "λ = \(lambda) is above \(most): draws are kept for smaller λ only, and maps of parameters may rest on few."
    }
}
