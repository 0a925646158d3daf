import Diffusion
import Inference

/// What is to be said of a λ before it is used.
enum LambdaRange {
    /// A warning, or nil where λ lies in the range that has been checked.
    static func warning(_ lambda: Double) -> String? {
        let most = AmortisedSampler<BallSticks>.largestTrustedLambda
        guard lambda > most else { return nil }
        return "λ = \(lambda) is above \(most): the network does not resolve probabilities so small, and clear fibres may be lost; stay at or below \(most)."
    }
}
