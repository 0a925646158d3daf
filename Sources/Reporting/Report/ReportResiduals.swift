import Foundation
import Inference

/// What a fit leaves over by shell, as the report shows it.
enum ReportResiduals {
    /// Mean residuals this large, in σ, are worth a warning.
    private static let limit = 0.3

    static func table(_ residuals: ShellResiduals) -> [String: Any] {
        func text(_ mean: ShellResiduals.Mean) -> String {
            mean.measurements == 0 ? "–" : (mean.residual < 0 ? "−" : "+") + String(format: "%.2f", abs(mean.residual))
        }
        let rows = zip(residuals.oneFibre.shells, residuals.anyFibre.shells).map { one, any in
            [
                "b": ReportText.number(one.bValue), "oneAlong": text(one.along), "oneAcross": text(one.across),
                "anyAlong": text(any.along), "anyAcross": text(any.across),
            ]
        }
        return [
            "rows": rows, "lambda": ReportText.number(residuals.lambda),
            "one": ReportText.count(residuals.oneFibre.voxels), "any": ReportText.count(residuals.anyFibre.voxels),
        ]
    }

    /// What tissue the model does not hold for, and what to do about it; nil where residuals are small.
    /// - Parameter family: the fit's.
    static func warning(_ residuals: ShellResiduals, family: String) -> String? {
        let group = residuals.oneFibre.voxels >= 50 ? residuals.oneFibre : residuals.anyFibre
        func contrast(_ shell: ShellResiduals.Shell) -> Double { abs(shell.along.residual - shell.across.residual) }
        let seen = group.shells.filter { $0.along.measurements > 0 && $0.across.measurements > 0 }
        guard let worst = seen.max(by: { contrast($0) < contrast($1) }),
            max(abs(worst.along.residual), abs(worst.across.residual)) > limit
        else { return nil }
        let numbers = String(
            format: "%+.2f σ along and %+.2f σ across the main fibre at b = %@", worst.along.residual,
            worst.across.residual,
            ReportText.number(worst.bValue)
        ).replacingOccurrences(of: "-", with: "−")
        let isHindered = worst.across.residual > 0 && worst.along.residual < 0 && family == "ball-sticks"
        guard isHindered else {
            return "The mean residual of \(ReportText.count(group.voxels)) voxels is \(numbers): the model does not "
                + "hold there to within the noise; misfit.nii.gz shows where."
        }
        // One shell does not tell such a space from others.
        let remedy =
            group.shells.count > 1
            ? "; --family tissue has it, and 'prism-dmri compare' of both fits says which explains the scan better" : ""
        return """
            The mean residual of \(ReportText.count(group.voxels)) voxels is \(numbers): water between axons (an \
            extra-axonal space), which a ball and sticks lack, leaves this, and third fibres may stand in for \
            it\(remedy).
            """
    }
}
