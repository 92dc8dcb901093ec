"""What is said of each awkward or hostile file. `limited_intake.outcome` describes a table:
the layout, the number of rows, the columns, the first rows, and the first odd ones."""

OUTCOMES = {
    "gz": "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "gz under another name": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "gz in two members": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "gz with the name of its content": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "gz of nothing": "The file is empty.",
    "gz that ends in the middle": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "gz without its last byte": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "gz with something behind it": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "gz with a changed byte": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "gz header only": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "gz bomb": (
        "Unpacked, the file has more than 101 MB, which is more than a table of its size "
        "can have. Upload it unpacked or in parts."
    ),
    "gz bomb of rows": (
        "Unpacked, the file has more than 101 MB, which is more than a table of its size "
        "can have. Upload it unpacked or in parts."
    ),
    "gz in gz": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "gz in gz, twenty deep": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "zip in gz": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "tar in gz": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "workbook in gz": "xlsx Assets: 1 of external_id: 2 A-1",
    "zip": "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "zip in a folder": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "zip of a Mac": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "zip that leaves its folder": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "zip with an absolute name": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "zip with a link": "The file has a header but no rows.",
    "zip without files": (
        "This is an empty zip archive. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines."
    ),
    "zip with a folder only": "The archive has no files.",
    "zip of nothing": "The file is empty.",
    "zip of two": "The archive has 2 files: a.csv, b.csv. Upload one of them.",
    "zip of 10,000": (
        "The archive has 10,000 files: 0.csv, 1.csv, 2.csv…. Upload one of them."
    ),
    "zip in zip": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "gz in zip": (
        "The archive contains another archive. Unpack it, and upload the file."
    ),
    "workbook in zip": "xlsx Assets: 1 of external_id: 2 A-1",
    "zip bomb": (
        "Unpacked, the file has more than 101 MB, which is more than a table of its size "
        "can have. Upload it unpacked or in parts."
    ),
    "zip with a password": (
        "The archive has a password. Upload the file without one, or unpacked."
    ),
    "zip whose size is a lie": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "zip with a wrong checksum": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "zip with an unknown compression": (
        "The archive is damaged or incomplete. Pack the file again, or upload it unpacked."
    ),
    "zip by LZMA": ("csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"),
    "zip that ends in the middle": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "zip behind something": (
        "This is not a text file: it has bytes that no text contains. Export it again as "
        "CSV (UTF-8)."
    ),
    "tar": (
        "This is a tar archive; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or JSON "
        "Lines."
    ),
    "bzip2": (
        "This is a compressed file; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "xz": (
        "This is a compressed file; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "zstd": (
        "This is a compressed file; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "7z": (
        "This is a compressed file; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "rar": (
        "This is a compressed file; unpack it first. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "xlsx as csv": "xlsx Assets: 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "xlsx as xls": "xlsx Assets: 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "xlsx as json": "xlsx Assets: 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "xlsx with macros": ("xlsx Assets: 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"),
    "xlsx with programs in formulas": "xlsx Assets: 1 of external_id: 2 A-1",
    "xlsx with a password": (
        "The workbook is protected with a password. Save it without one."
    ),
    "xlsx cut at 5 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xlsx cut at 50 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xlsx cut at 95 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xlsx without its last byte": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xlsx with 9 million empty strings": (
        "The workbook's part xl/sharedStrings.xml unpacks to more than 250 times its size, "
        "which no spreadsheet program's does. Save the sheet as CSV."
    ),
    "xlsx with a long string everywhere": (
        "Up to row 849 the cells have more than 256 MB of text, far more than a file of "
        "this size usually has. Save the sheet as CSV, or upload it in smaller parts."
    ),
    "xlsx with a string everywhere": (
        "Up to row 13,792 the cells have more than 256 MB of text, far more than a file of "
        "this size usually has. Save the sheet as CSV, or upload it in smaller parts."
    ),
    "xlsx with quadratic blowup": (
        "The workbook declares its own XML entities, which no spreadsheet program does. "
        "Save it again."
    ),
    "xlsx with a billion laughs": (
        "The workbook declares its own XML entities, which no spreadsheet program does. "
        "Save it again."
    ),
    "xlsx with a file as entity": (
        "The workbook declares its own XML entities, which no spreadsheet program does. "
        "Save it again."
    ),
    "xlsx with 20,000 columns": (
        "Row 1 has more than 18,278 cells. Remove some, or save the sheet as CSV."
    ),
    "xlsx with 1,001 columns": "Row 1 names more than 1,000 columns. Remove some.",
    "xlsx with 1,000 columns": "xlsx Assets: 1 of c0|c1|c2|c3|…: 2 c0|c1|c2|c3|…",
    "xlsx with cells in its corners": "The file has a header but no rows.",
    "xlsx with a cell of 10 MB": "xlsx Assets: 2 of id: 3 A; odd 2 cell_length",
    "xlsx with odd numbers": "xlsx Assets: 7 of value: 2 1E999; 3 -0",
    "xlsx with odd dates": "xlsx Assets: 6 of day: 2 -1; 3 00:00:00",
    "xlsx with strings that do not exist": (
        "The sheet is damaged behind row 1: a cell names its text wrongly. Open the "
        "workbook in a spreadsheet program and save it again."
    ),
    "xlsx with rows out of order": "xlsx Assets: 2 of external_id: 5 A-5; 3 A-3",
    "xlsx with a cell twice": "xlsx Assets: 1 of external_id: odd 2 double_cell",
    "xlsx with odd references": "xlsx Assets: 1 of id: odd 2 double_cell",
    "xlsx in UTF-16": "xlsx Assets: 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "xlsx in Latin-1": (
        "xlsx Assets: 2 of external_id|name: 2 A-1|Bohrmaschine Größe 5; 3 A-2|Saw"
    ),
    "xlsx without rows": "The file has a header but no rows.",
    "xlsx without cells": "The sheet “Assets” is empty. Choose another one.",
    "Word document": (
        "This is a Word document, not a workbook. Save it as .xlsx or CSV."
    ),
    "Excel 2003 XML": (
        "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
    ),
    "web page as xls": (
        "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
    ),
    "csv as xls": "csv utf-8-sig ',': 1 of external_id|name: 2 A-1|Drill",
    "csv as xlsx": "csv utf-8-sig ',': 1 of external_id|name: 2 A-1|Drill",
    "UTF-16 text as xls": "csv utf-16 '\\t': 1 of external_id|name: 2 A-1|Grün",
    "xls": "xls Assets: 1 of external_id: 2 A-1",
    "xls as xlsx": "xls Assets: 1 of external_id: 2 A-1",
    "xls with a password": (
        "The workbook is protected with a password. Save it without one."
    ),
    "xls cut at 10 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xls cut at 60 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "xls of 1995": "The workbook is older than Excel 97. Save it as .xlsx or CSV.",
    "xls in a circle": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "compound file without a workbook": (
        "This is no workbook, but another old Office document. Save its table as .xlsx or "
        "CSV."
    ),
    "ods": "ods Sheet1: 1 of external_id|name: 2 A|B",
    "ods as xlsx": "ods Sheet1: 1 of external_id|name: 2 A|B",
    "ods with a row a million times": (
        "ods Sheet1: 1000000 of external_id|name: 2 A-1|A-1; 3 A-1|A-1"
    ),
    "ods with a sheet of one cell": (
        "Up to row 14,130 the cells have more than 256 MB of text, far more than a file of "
        "this size usually has. Save the sheet as CSV, or upload it in smaller parts."
    ),
    "ods with a cell 20,000 times": "ods Sheet1: 1 of external_id|name: 2 A-1|A-1",
    "ods with blank repeats": (
        "ods Sheet1: 2 of external_id|name: 2 A-1|Drill; 1048003 A-2|Saw"
    ),
    "ods with a password": (
        "The spreadsheet is protected with a password. Save it without one."
    ),
    "ods with an entity": (
        "The workbook declares its own XML entities, which no spreadsheet program does. "
        "Save it again."
    ),
    "ods cut at 60 %": (
        "The workbook is damaged. Open it in a spreadsheet program and save it again."
    ),
    "ods of groups in groups": (
        "The spreadsheet is damaged near row 2 of “Sheet1”. Open it in a "
        "spreadsheet program and save it again."
    ),
    "flat ods": (
        "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
    ),
    "csv": "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "empty file": "The file is empty.",
    "blanks only": "The file is empty.",
    "byte order mark only": "The file has no rows.",
    "header only": "The file has a header but no rows.",
    "header without a line end": "The file has a header but no rows.",
    "one cell": "The file has a header but no rows.",
    "commas only": "The file has no rows.",
    "quotes only": "The file has a header but no rows.",
    "zero bytes": (
        "This is not a text file: it has bytes that no text contains. Export it again as "
        "CSV (UTF-8)."
    ),
    "zero byte in a cell": (
        "csv utf-8-sig ',': 1 of external_id|name: odd 2 null_byte"
    ),
    "noise": (
        "This is not a text file: it has bytes that no text contains. Export it again as "
        "CSV (UTF-8)."
    ),
    "picture": "This is a picture. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines.",
    "PDF": "This is a PDF. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines.",
    "program": (
        "This is not a text file: it has bytes that no text contains. Export it again as "
        "CSV (UTF-8)."
    ),
    "database": (
        "This is a database; export its table as CSV. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "Parquet": (
        "This is a Parquet file; export it as CSV. Upload CSV, XLSX, XLS, ODS, JSON or "
        "JSON Lines."
    ),
    "web page": (
        "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
    ),
    "XML": ("This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."),
    "Markdown": (
        "csv utf-8-sig '|': 2 of Column A|id|name: 2 |----|------; 3 | A-1 | Drill "
    ),
    "SQL": "csv utf-8-sig ';': 1 of INSERT INTO a VALUES: 2 INSERT INTO a VALUES",
    "log": (
        "csv utf-8-sig ' ': 1 of 2026-01-01|10:00:00|INFO|started: 2 "
        "2026-01-01|10:00:01|INFO|ended"
    ),
    "one column": "csv utf-8-sig ',': 2 of external_id: 2 A-1; 3 A-2",
    "cell of 10 MB": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "cell_too_long"
    ),
    "quoted cell of 10 MB": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "cell_too_long"
    ),
    "record of 100 MB": (
        "Row 5 is longer than 16 MB, so this is not a table. Export the file again as CSV."
    ),
    "line of 100 MB": (
        "The first 16 MB of the file have no header. Export the file again as CSV."
    ),
    "name of 1 MB": ("csv utf-8-sig ',': 1 of xxxxxxxxxxxxxxxxxxxx|name: 2 A-1|Drill"),
    "20,000 columns": (
        "The file has 20,000 columns. The maximum is 1,000. Remove some."
    ),
    "1,001 columns": ("The file has 1,001 columns. The maximum is 1,000. Remove some."),
    "1,000 columns": "csv utf-8-sig ',': 1 of c0|c1|c2|c3|…: 2 x|x|x|x|…",
    "one row of 20,000 cells": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "row_width"
    ),
    "another width each row": (
        "csv utf-8-sig ',': 100000 of external_id|name: 3 x|x; 10 x|x; odd 2 short_row; "
        "odd 4 row_width"
    ),
    "stray quote": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill"
    ),
    "quote without an end": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "unclosed_quote"
    ),
    "text behind a quote": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "stray_quote"
    ),
    "quote without an end, 100 MB": (
        "csv utf-8-sig ',': 12500001 of external_id|name: 3 A-2|Saw; 4 A-2|Saw; odd 2 "
        "unclosed_quote"
    ),
    "cut in a quoted cell": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 401 "
        "unclosed_quote"
    ),
    "cut in a letter": (
        "The file is not UTF-8, and its encoding is not certain. Read as Mac Roman it has "
        "“Gr√” (row 2); as DOS 437 (United States) it has "
        "“Gr├” (row 2); as Windows-874 (Thai) it has “Grร” "
        "(row 2). Choose its encoding."
    ),
    "long row": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "row_width"
    ),
    "short row": (
        "csv utf-8-sig ',': 400 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "short_row"
    ),
    "trailing delimiters": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "blank rows between": (
        "csv utf-8-sig ',': 2 of external_id|name: 4 A-1|Drill; 7 A-2|Saw"
    ),
    "mixed line ends": (
        "csv utf-8-sig ',': 3 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "CR alone": "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "LF and CR": "csv utf-8-sig ',': 2 of external_id|name: 3 A-1|Drill; 5 A-2|Saw",
    "CR CR LF": "csv utf-8-sig ',': 2 of external_id|name: 3 A-1|Drill; 5 A-2|Saw",
    "stray CR in a cell": (
        "csv utf-8-sig ',': 401 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 5 "
        "stray_line_end; odd 6 short_row"
    ),
    "line separators": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Dr\u2028ill; 3 A-2|S\u000baw\f"
    ),
    "UTF-8 with mark": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "two marks": (
        "csv utf-8-sig ',': 2 of \ufeffexternal_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "mark in the middle": (
        "csv utf-8-sig ',': 1 of external_id|name: 2 \ufeffA-1|Drill"
    ),
    "UTF-16 with mark": (
        "csv utf-16 ',': 2 of external_id|name: 2 A-1|Grün; 3 A-2|Größe"
    ),
    "UTF-16 BE with mark": (
        "csv utf-16 ',': 2 of external_id|name: 2 A-1|Grün; 3 A-2|Größe"
    ),
    "UTF-16 without mark": (
        "csv utf-16-le ',': 2 of external_id|name: 2 A-1|Grün; 3 A-2|Größe"
    ),
    "UTF-16 BE without mark": (
        "csv utf-16-be ',': 2 of external_id|name: 2 A-1|Grün; 3 A-2|Größe"
    ),
    "UTF-16 that ends in the middle": (
        "csv utf-16 ',': 2 of external_id|name: 2 A-1|Grün; odd 3 wrong_bytes"
    ),
    "UTF-16 with half a pair": (
        "csv utf-16 ',': 2 of external_id|name: 3 A-2|Saw; odd 2 wrong_bytes"
    ),
    "UTF-32": "The file is in UTF-32. Save it as UTF-8.",
    "half a pair in UTF-8": (
        "The file is not UTF-8, and its encoding is not certain. Read as DOS 866 "
        "(Cyrillic) it has “эа╜” (row 5). Choose its encoding."
    ),
    "overlong UTF-8": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-949 "
        "(Korean) it has “유” (row 5); as Big5 (Taiwan) it has "
        "“嶸” (row 5); as EUC-JP (Japanese) it has “政” (row "
        "5). Choose its encoding."
    ),
    "one byte that is not UTF-8": (
        "csv utf-8-sig ',': 409 of external_id|name: 2 A-2|Drill; 3 A-3|Drill; odd 300 "
        "wrong_bytes; odd 402 repeated_header"
    ),
    "Windows-1252": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-1252 "
        "(Western Europe) it has “Grün” (row 2), “Größe” (row "
        "3); as Mac (Cyrillic) it has “Grьn” (row 2), "
        "“Grцяe” (row 3); as Mac (Turkish) it has “Gr¸n” "
        "(row 2), “Grˆşe” (row 3). Choose its encoding."
    ),
    "Windows-1251": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-1251 "
        "(Cyrillic) it has “Дрель "
        "ударная” (row 2), "
        "“Пила "
        "дисковая” (row 3); as Mac (Cyrillic) "
        "it has “ƒрель "
        "ударна€” (row 2), "
        "“ѕила "
        "дискова€” (row 3); as Mac (Greek) it "
        "has “Ρπεκϋ "
        "σδύπμύ\u00ad” (row 2), "
        "“œηκύ "
        "δηώξνβύ\u00ad” (row 3). Choose its "
        "encoding."
    ),
    "Shift-JIS": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-932 "
        "(Japanese) it has “電動ドリル” (row 2), "
        "“丸のこ” (row 3); as DOS 852 (Central Europe) it has "
        "“ôdô«âhâŐâő” (row 2), "
        "“Ő█é╠é▒” (row 3); as DOS 866 (Cyrillic) it "
        "has “УdУоГhГКГЛ” (row 2), "
        "“К█В╠В▒” (row 3). Choose its encoding."
    ),
    "ISO-2022-JP": (
        "The file is in an ISO-2022 encoding, which switches alphabets by escape "
        "sequences. Save it as UTF-8."
    ),
    "EBCDIC": (
        "The file is not UTF-8, and its encoding is not certain. Read as DOS 437 (United "
        "States) it has "
        "“àºúàÖòüômëäkòüöà%┴`±k─Öëôô%┴`≥kΓüª%” "
        "(row 1); as DOS 850 (Western Europe) it has "
        "“àºúàÖòüômëäkòüöà%┴`±k─Öëôô%┴`‗kÔüª%” "
        "(row 1); as ISO 8859-13 (Baltic) it has "
        "“\u0085§£\u0085\u0099\u0095\u0081\u0093m\u0089\u0084k\u0095\u0081\u0094\u0085%Į`ńkÄ\u0099\u0089\u0093\u0093%Į`ņkā\u0081¦%” "
        "(row 1). Choose its encoding."
    ),
    "a wrong choice of encoding": (
        "csv utf-8-sig ',': 2 of external_id|name: odd 2 wrong_bytes; odd 3 wrong_bytes"
    ),
    "names twice": "csv utf-8-sig ',': 1 of id|name|name (2): 2 A-1|Drill|Saw",
    "names that are blank": (
        "csv utf-8-sig ',': 1 of id|Column B|Column C: 2 A-1|Drill|Saw"
    ),
    "name with a line end": "csv utf-8-sig ',': 1 of id|na\nme: 2 A-1|Drill",
    "numbers as names": "csv utf-8-sig ',': 2 of 1|2: 2 3|4; 3 5|6",
    "title lines": (
        "csv utf-8-sig ',': 3 of external_id|name|price: 4 A-1|Drill|5; 5 A-2|Saw|6"
    ),
    "sep=": "csv utf-8-sig ';': 1 of external_id|name: 3 A-1|Drill",
    "comments": "csv utf-8-sig ',': 2 of external_id|name: 4 A-1|Drill; 5 A-2|Saw",
    "caret": "csv utf-8-sig '^': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw",
    "unit separator": (
        "csv utf-8-sig '\\x1f': 2 of external_id|name: 2 A-1|Drill; 3 A-2|Saw"
    ),
    "two delimiters": "csv utf-8-sig ';': 2 of a|b,c: 2 1|2,3; 3 4|5,6",
    "backslash escapes": (
        "csv utf-8-sig ',': 3 of external_id|name: 2 A-1|5\" pipe, long; 3 A-2|6\" pipe, "
        "short"
    ),
    "quotes that mean nothing": (
        "csv utf-8-sig '\\t': 3 of id|name|note: 2 A-1|5\" pipe|x; 3 A-2|\"Drill|y"
    ),
    "apostrophes as quotes": (
        "csv utf-8-sig ',': 2 of id|name: 2 A-1|Drill, red; 3 A-2|Saw, blue"
    ),
    "formulas": (
        "csv utf-8-sig ',': 2 of external_id|name: 2 =cmd|'/c calc'!A0|@SUM(1); 3 +1|-1"
    ),
    'Excel\'s ="001"': (
        'csv utf-8-sig \',\': 2 of external_id|name: 2 ="001"|Drill; 3 ="002"|Saw'
    ),
    "invisible characters": (
        "csv utf-8-sig ',': 1 of external_id|name: 2 A\u200b-1|Dr\u00adill"
    ),
    "results of a job": "csv utf-8-sig ',': 1 of external_id|name: 2 =A-1|Drill",
    "a delimiter that was chosen": (
        "csv utf-8-sig '|': 2 of external_id,name: 2 A-1,Drill; 3 A-2,Saw"
    ),
    "a header row behind the end": "The file has no row 99 for the header.",
    "json": "json utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json lines": "jsonl utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json lines as txt": "jsonl utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json as csv": "json utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json lines in gz": "jsonl utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "array without elements": "The file has no rows.",
    "object without members": (
        "The file has no list of rows. It must be an array, or an object with an array, "
        'such as {"items": [...]}.'
    ),
    "rows without members": "The file has no rows.",
    "null": (
        "The file has no list of rows. It must be an array, or an object with an array, "
        'such as {"items": [...]}.'
    ),
    "number": (
        "The file has no list of rows. It must be an array, or an object with an array, "
        'such as {"items": [...]}.'
    ),
    "text": (
        "The file has no list of rows. It must be an array, or an object with an array, "
        'such as {"items": [...]}.'
    ),
    "array of numbers": "json utf-8-sig: 3 of value: 1 1; 2 2",
    "array of arrays": (
        'No row can be read. Row 1 is “["id", "name"]” and not an object. Write '
        'each row as an object, such as {"name": "Drill"}.'
    ),
    "a number among the rows": "json utf-8-sig: 300 of id|value: 1 A-1|; 2 A-2|",
    "rows under a key": ("json utf-8-sig data: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill"),
    "rows under two keys": ("json utf-8-sig a: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill"),
    "rows under keys in keys": (
        "json utf-8-sig a.b: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill"
    ),
    "one object": (
        "The file has no list of rows. It must be an array, or an object with an array, "
        'such as {"items": [...]}.'
    ),
    "brackets without an end": (
        "Row 1 is nested more than 100 levels deep. Write its values as texts, numbers or "
        "lists. What follows it cannot be read."
    ),
    "a value of 100,000 brackets": (
        "Row 5 is nested more than 100 levels deep. Write its values as texts, numbers or "
        "lists. What follows it cannot be read."
    ),
    "a line of 100,000 brackets": (
        "jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 too_deep"
    ),
    "number of 100,000 digits": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2",
    "numbers beyond all": "json utf-8-sig: 3 of n: 1 1e400; 2 -0",
    "NaN": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 not_a_number",
    "name twice": (
        "No row can be read. Row 1 has the member “id” twice. Keep the one that "
        "is right."
    ),
    "half a pair": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 half_character",
    "half a pair in a line": (
        "jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 half_character"
    ),
    "escaped zero": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 zero_character",
    "bytes that are not UTF-8": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-1252 "
        "(Western Europe) it has “ÿ” (row 5), “Ã¼” (row 301). "
        "Choose its encoding."
    ),
    "trailing comma": "json utf-8-sig: 1 of id|name: 1 A-1|Drill",
    "missing comma": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 not_json",
    "single quotes": (
        "No row can be read. Row 1 is not JSON: “'id': 'A-1'}]” where a name "
        "should begin at line 1, column 3. Write names in double quotation marks, such as "
        '"name".'
    ),
    "comment": (
        "The file is not JSON: “// rows…” where a value should be at line "
        '1, column 1. Write texts in double quotation marks, such as "Drill".'
    ),
    "something behind it": (
        "The file is not JSON: “and more” follows the end of the document at "
        "line 1, column 66. Put all rows into one array, or each row on a line of its own."
    ),
    "two documents": (
        'The file is not JSON: “[{"id": "A-1", "name": "Drill"…” follows '
        "the end of the document at line 2, column 1. Put all rows into one array, or each "
        "row on a line of its own."
    ),
    "cut in a text": (
        "Row 2 is not JSON: there is no closing quotation mark for the text that begins at "
        'line 1, column 56. Add the ". Write a quotation mark inside a text as \\". What '
        "follows it cannot be read."
    ),
    "cut between rows": (
        "Row 2 is not JSON: the text ends where a value should be at line 1, column 33. It "
        "was probably cut off before its end. What follows it cannot be read."
    ),
    "not closed": (
        "Row 2 is not JSON: the text ends where a comma or a closing bracket should be at "
        "line 1, column 64. It was probably cut off before its end. What follows it cannot "
        "be read."
    ),
    "json with mark": "json utf-8-sig: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json in UTF-16": "json utf-16: 2 of id|name: 1 A-1|Drill; 2 A-2|Drill",
    "json in Windows-1252": (
        "The file is not UTF-8, and its encoding is not certain. Read as Windows-1252 "
        "(Western Europe) it has “Grün” (row 1); as DOS 437 (United States) "
        "it has “Grⁿn” (row 1); as Mac Roman it has “Gr¸n” "
        "(row 1). Choose its encoding."
    ),
    "line that is no JSON": (
        "jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 not_json"
    ),
    "line that is cut": ("jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 300 not_json"),
    "line that is an array": (
        "jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 not_an_object"
    ),
    "two objects in a line": (
        "jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 not_json"
    ),
    "object over two lines": (
        "jsonl utf-8-sig: 301 of id: 1 A-1; 2 A-2; odd 5 not_json; odd 6 not_json"
    ),
    "blank lines": "jsonl utf-8-sig: 2 of id|name: 3 A-1|Drill; 4 A-2|Drill",
    "lines of arrays": (
        'The file is not JSON: “["A-1", "Drill"]…” follows the end of the '
        "document at line 2, column 1. Put all rows into one array, or each row on a line "
        "of its own."
    ),
    "20,000 members": (
        "No row can be read. Row 1 has 20,000 members. The maximum is 1,000. Remove some."
    ),
    "a new member each row": (
        "The rows up to row 1,001 have more than 1,000 columns. Remove some."
    ),
    "a million rows without members": (
        "jsonl utf-8-sig: 1 of c0|c1|c2|c3|…: 1 0|1|2|3|…"
    ),
    "text of 10 MB": "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 long_cell",
    "JSON line of 100 MB": ("jsonl utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 long_row"),
    "row of 100 MB": (
        "Row 5 is longer than 16 MB. Shorten it. What follows it cannot be read."
    ),
    "row of a million members": (
        "json utf-8-sig: 300 of id: 1 A-1; 2 A-2; odd 5 long_cell"
    ),
    "nested values": 'json utf-8-sig: 1 of id|tags: 1 A-1|["a", {"b": null}]',
}
