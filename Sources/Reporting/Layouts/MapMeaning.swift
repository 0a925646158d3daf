import Inference
import Volumes

extension ImageMeaning {
    /// Shares of the signal and probabilities.
    static let fraction = ImageMeaning(.estimate, window: 0...1)

    /// What a column of a summary is. A window is given where the same one serves every scan: not for S0, noise and
    /// standard deviations.
    init(_ column: SummaryColumn, _ metadata: PosteriorMetadata) {
        let window: ClosedRange<Double>? =
            switch column {
            case .structure, .fibreCount, .spread, .rician, .presence, .component, .unlisted, .quantityPresence,
                .model:
                0...1
            case .expectedFibreCount, .likeliestFibreCount: 0...Double(DrawColumn.fibreCount)
            // 2/3 is uniform.
            case .dispersion: 0...2.0 / 3
            case .statistic(_, .sd), .quantity(_, .sd), .effectiveDraws, .direction: nil
            // Free water at body temperature.
            case .statistic(.diffusivity, _), .statistic(.spread, _): 0...3e-3
            case .statistic(.snr, _), .statistic(.s0, _), .statistic(.noise, _): nil
            case .statistic: 0...1
            case .quantity(let i, _): metadata.quantities[i].range
            }
        self.init(.estimate, window: window)
    }
}
