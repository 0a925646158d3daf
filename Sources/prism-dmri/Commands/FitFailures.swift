import Inference

/// A scan without a voxel that could be fitted.
struct NoVoxelFitted: CommandFailure {
    let survey: FitSurvey
    var exitStatus: ExitStatus { .badData }
    var description: String {
        survey.voxels == 0
            ? "The mask holds no voxel, so that nothing could be fitted; give another --mask"
            : """
            No voxel could be fitted: \(survey.explanation); check the image and the mask, or leave out volumes \
            that are damaged
            """
    }
}

/// Why no noise can be taken as known.
enum NoNoiseToKnow: CommandFailure {
    case noEstimate(path: String)
    /// Of the map or estimate named.
    case noVoxel(String)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case .noEstimate(let path):
            "\(path) has too few volumes or voxels for an estimate of its noise that --known-noise could take; give "
                + "--noise-map, or leave out --known-noise"
        case .noVoxel(let source):
            """
            No voxel that can be fitted has a usable value of the noise (\(source)): each lacks one above 0, or has \
            an SNR outside 0.1 to 1000; give the standard deviation of the noise in the scan's units, or leave out\u{20}
            """
                + "--known-noise"
        }
    }
}
