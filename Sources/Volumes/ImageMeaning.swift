/// What an image's numbers are and which of them a viewer shows at first.
///
/// NIfTI keeps them as intent_code and as cal_min and cal_max; MRtrix's headers have no place for them. Source:
/// nifti1.h, "Interpretation of voxel data" and "Display intensity window".
public struct ImageMeaning: Equatable, Sendable {
    /// NIFTI_INTENT: nothing said; an estimate of a parameter; whole numbers that stand for classes.
    public enum Intent: Int, Sendable { case none = 0, estimate = 1001, label = 1002 }

    public var intent: Intent
    /// Black and white of a grey scale; nil leaves it to the viewer.
    public var window: ClosedRange<Double>?

    public init(_ intent: Intent = .none, window: ClosedRange<Double>? = nil) {
        self.intent = intent
        self.window = window
    }
}
