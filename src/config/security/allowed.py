"""Names of the classes that a configuration may name, by package.

A class that looks names up by string, calls a function that is given to it, reads or writes files, or
downloads is not on the list: with such a class a configuration from elsewhere could do what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ganatomy.config.mistakes.suggestions import nearest


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAMES: Mapping[str, frozenset[str]] = {
    "ganatomy.data.sources.": _names(
        """
        Brain BrainContrasts BrainLesions Cells Coco Decathlon Dicom Folder MedMnist Nodules StackedDigits
        Table Vessels Voc Yolo
        """
    ),
    "ganatomy.degradations.": _names("Blur Downsample Gaussian Poisson Rician Undersample"),
    "ganatomy.networks.": _names(
        """
        CenterNet ConfidenceMap ConvDenoiser Critic DcganDiscriminator DcganGenerator DenseGenerator
        DisplacementField DualDiscriminator DynUNet Encoder FAnoGan FastDiscriminator FastGenerator Ganomaly
        MaskedCritic PairDiscriminator PatchProjection R3Discriminator R3Generator RectifiedFlow RedCnn
        ResidualGenerator SpadeGenerator
        SrResNet StridedDiscriminator StyleDiscriminator StyleGenerator TranslatingGenerator UNet
        UNetDiscriminator VaeGan
        """
    ),
    "ganatomy.optim.": _names("BurnIn DecayAtEnd"),
    "ganatomy.tasks.": _names(
        """
        AnomalyTask Contrast Cycle Denoising DetectionTask EnhancementTask FAnoGanTraining FlowMatching
        GanomalyTraining InstanceDetectionTask Paired SegmentationTask SelfTraining SynthesisTask
        TranslationTask VaeGanTraining
        """
    ),
    "monai.networks.nets.": _names(
        """
        AHNet AttentionUnet AutoEncoder AutoencoderKL BasicUNet BasicUNetPlusPlus Classifier ControlNet
        Critic DAF3D DecoderOnlyTransformer DenseNet DenseNet121 DenseNet169 DenseNet201 DenseNet264
        DiffusionModelUNet Discriminator DynUNet EfficientNetBN EfficientNetBNFeatures FlexibleUNet
        FullyConnectedNet Generator GlobalNet HighResNet LocalNet MaskedAutoEncoderViT MedNeXt
        MultiScalePatchDiscriminator PatchDiscriminator RegUNet Regressor ResNet ResNetFeatures Restormer
        SENet154 SEResNet101 SEResNet152 SEResNet50 SEResNext101 SEResNext50 SPADEAutoencoderKL
        SPADEDiffusionModelUNet SPADENet SegResNet SegResNetDS SegResNetDS2 SegResNetVAE SwinUNETR UNETR
        UNet VNet VQVAE VarAutoEncoder VarFullyConnectedNet ViT ViTAutoEnc VoxelMorph VoxelMorphUNet
        """
    ),
    "monai.networks.blocks.": _names(
        """
        ADN CABlock ChannelSELayer ConvDenseBlock Convolution CrossAttentionBlock DenseBlock DownSample
        FeedForward GEGLU MLPBlock MaxAvgPool MemoryEfficientSwish Mish PatchEmbed PatchEmbeddingBlock
        ResBlock ResidualSELayer ResidualUnit SABlock SEBlock SEBottleneck SEResNeXtBottleneck
        SEResNetBottleneck SPADE SimpleASPP SpatialAttentionBlock SubpixelDownsample SubpixelUpsample
        Swish TransformerBlock UnetBasicBlock UnetOutBlock UnetResBlock UnetUpBlock UnetrBasicBlock
        UnetrPrUpBlock UnetrUpBlock UpSample
        """
    ),
    "monai.transforms.": _names(
        """
        Compose OneOf RandomOrder SomeOf BorderPadd BoundingRectd CenterScaleCropd CenterSpatialCropd
        CropForegroundd Cropd DivisiblePadd Padd RandCropByLabelClassesd RandCropByPosNegLabeld RandCropd
        RandScaleCropd RandSpatialCropSamplesd RandSpatialCropd RandWeightedCropd ResizeWithPadOrCropd
        SpatialCropd SpatialPadd AdjustContrastd ClipIntensityPercentilesd GaussianSharpend
        GaussianSmoothd GibbsNoised HistogramNormalized KSpaceSpikeNoised MaskIntensityd MedianSmoothd
        NormalizeIntensityd RandAdjustContrastd RandBiasFieldd RandCoarseDropoutd RandCoarseShuffled
        RandGaussianNoised RandGaussianSharpend RandGaussianSmoothd RandGibbsNoised RandHistogramShiftd
        RandKSpaceSpikeNoised RandRicianNoised RandScaleIntensityFixedMeand RandScaleIntensityd
        RandShiftIntensityd RandStdShiftIntensityd SavitzkyGolaySmoothd ScaleIntensityRangePercentilesd
        ScaleIntensityRanged ScaleIntensityd ShiftIntensityd StdShiftIntensityd ThresholdIntensityd
        RandSmoothDeformd RandSmoothFieldAdjustContrastd RandSmoothFieldAdjustIntensityd Affined Flipd
        GridDistortiond GridPatchd GridSplitd Orientationd Rand2DElasticd Rand3DElasticd RandAffined
        RandAxisFlipd RandFlipd RandGridDistortiond RandGridPatchd RandRotate90d RandRotated
        RandSimulateLowResolutiond RandZoomd Resized Rotate90d Rotated Spacingd Zoomd AsDiscreted
        DistanceTransformEDTd FillHolesd KeepLargestConnectedComponentd LabelFilterd LabelToContourd
        RemoveSmallObjectsd SobelGradientsd AddCoordinateChannelsd AsChannelLastd CastToTyped
        ConcatItemsd CopyItemsd DeleteItemsd EnsureChannelFirstd EnsureTyped Identityd LabelToMaskd
        MapLabelValued RandImageFilterd RemoveRepeatedChanneld RepeatChanneld SelectItemsd SplitDimd
        SqueezeDimd ToNumpyd ToTensord Transposed
        """
    ),
    "torch.nn.modules.": _names(
        """
        AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d
        AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss
        BatchNorm1d BatchNorm2d BatchNorm3d Bilinear CELU ChannelShuffle CircularPad1d CircularPad2d
        CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d
        ConvTranspose2d ConvTranspose3d CrossEntropyLoss Dropout Dropout1d Dropout2d Dropout3d ELU
        Embedding FeatureAlphaDropout Flatten Fold GELU GLU GRU GroupNorm Hardshrink Hardsigmoid
        Hardswish Hardtanh HuberLoss Identity InstanceNorm1d InstanceNorm2d InstanceNorm3d KLDivLoss
        L1Loss LSTM LayerNorm LeakyReLU Linear LocalResponseNorm LogSigmoid LogSoftmax MSELoss MaxPool1d
        MaxPool2d MaxPool3d Mish MultiheadAttention NLLLoss PReLU PixelShuffle PixelUnshuffle
        PoissonNLLLoss RMSNorm RNN RReLU ReLU ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d
        ReplicationPad1d ReplicationPad2d ReplicationPad3d SELU SiLU Sigmoid SmoothL1Loss Softmax
        Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold TransformerEncoderLayer
        Unflatten Unfold Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d
        """
    ),
    "torch.optim.": _names(
        """
        ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax NAdam RAdam RMSprop Rprop SGD ConstantLR
        CosineAnnealingLR CosineAnnealingWarmRestarts CyclicLR ExponentialLR LinearLR MultiStepLR
        OneCycleLR PolynomialLR StepLR
        """
    ),
}
"""Prefix of a module -> the classes defined below it that may be named. GANATOMY_TARGETS adds prefixes."""

FOREIGN = tuple(package for package in NAMES if not package.startswith("ganatomy."))
"""Packages that are not ours: their arguments are checked, too (`arguments`)."""

REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        _names(
            """
        LoadImage LoadImaged SaveImage SaveImaged SaveClassificationd WriteFileMapping WriteFileMappingd
        """
        ),
        "it reads or writes files and loads code by name",
    ),
    **dict.fromkeys(
        _names(
            """
        TorchVision TorchVisiond RandTorchVision RandTorchVisiond TorchIO TorchIOd RandTorchIO
        RandTorchIOd CuCIM CuCIMd RandCuCIM RandCuCIMd FlexUNetEncoderRegister TorchVisionFCModel
        MILModel NetAdapter ForegroundMask ForegroundMaskd
        """
        ),
        "it looks code up by name",
    ),
    **dict.fromkeys(
        _names(
            """
        Lambda Lambdad RandLambda RandLambdad LambdaLR MultiplicativeLR DataStats DataStatsd Activationsd
        """
        ),
        "it calls functions that are given to it",
    ),
    **dict.fromkeys(
        _names("FCN MCFCN HoVerNet CellSamWrapper TextEncoder Transchex BertPreTrainedModel"),
        "it downloads or reads weights",
    ),
}
"""Why a class that somebody may look for is not on the list."""


def package_of(dotted: str) -> str:
    """Return the prefix of `NAMES` that a dotted name lies below; empty for none."""
    return next((package for package in NAMES if f"{dotted}.".startswith(package)), "")


def is_listed(cls: type) -> bool:
    """Return True for a class that any configuration may name; the module that defines it decides."""
    package = package_of(cls.__module__)
    return bool(package) and cls.__name__ in NAMES[package]


def why(name: str, package: str) -> str:
    """Say why a class of an allowed package is refused, and which allowed class has a similar name.

    Args:
        name: Name of the class.
        package: Its prefix of `NAMES`.
    """
    reason = REASONS.get(name, "it is not on the list of classes that are known to be safe")
    return reason + nearest(name, sorted(NAMES[package]))


def prefixes() -> Iterator[str]:
    """Yield the modules of the list, for messages."""
    return (package.rstrip(".") for package in NAMES)
