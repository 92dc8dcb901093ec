"""Tables in many languages and encodings: dense ones, in which most names are of the
language, and sparse ones, in which a few words are and all else is ASCII."""

from collections.abc import Iterator
from dataclasses import dataclass

LANGUAGES = {
    "German": "Säge Bohrmaschine für Gehäuse, Gerät prüfen, Schlüssel, Straße 5, Größe L, Kühlschrank, Tür öffnen, Münze, Würfel, Fußboden, Äpfel, Übergabe",
    "French": "perceuse réparée, clé à molette, fenêtre côté cour, élève, garçon, où, noël, tâche terminée, reçu, pièce détachée, hôtel, déjà payé, sœur, cœur",
    "Spanish": "señal, taladro pequeño, año, batería, muñeca, cámara, teléfono móvil, ¿qué tal?, niño, corazón, dirección, jabón, informática, razón",
    "Portuguese": "máquina, não, informação, coração, mão, pão, ação, você, português, três, relatório, construção, avião, manhã",
    "Italian": "perché, città, qualità, è, più, così, caffè, metà, libertà, università, venerdì, giù, però, virtù",
    "Swedish": "skåp, hörlurar, nyckel på väg, låda, kött, räksmörgås, översikt, å, färg, hjälm, spår, fönster, köksbord, sjö",
    "Norwegian": "verktøy, nøkkel, bærbar, dør, rød, år, blå, grønn, kjøkken, måned, øst, vær, sør, båt",
    "Polish": "wiertarka żółta, łódź, klucz główny, część, źródło, świeca, gąbka, miękki, stół, książka, pięć, ćma, żaba, szkoła",
    "Czech": "vrtačka žlutá, šroubovák, kůň, řeka, děti, měď, příliš, čtvrtek, žába, ťava, ďábel, ňadra, úřad, dům",
    "Hungarian": "fúrógép, szövegszerkesztő, tűzoltó, hűtőszekrény, gép, őrült, üveg, kőműves, ásványvíz, fűrész, szék, bőrönd, külső, súly",
    "Romanian": "mașină, țară, șurub, înălțime, băiat, gură, câine, fată, pâine, română, ușă, viță, știință, încă",
    "Turkish": "ışık şerif, çalışma, görüş, kâğıt, İstanbul, değil, gümüş, öğretmen, şişe, yağ, çekiç, kırmızı, güneş, ağaç",
    "Russian": "дрель электрическая, ключ, склад номер пять, чёрный кабель, ноутбук, принтер, монитор, стол письменный, мышь, сервер, объект, щит",
    "Ukrainian": "дриль електричний, ключ, склад, їжак, єдиний, ґанок, кабель чорний, монітор, сервер, принтер, підлога, об'єкт",
    "Bulgarian": "бормашина, ключ, склад, черен кабел, монитор, сървър, принтер, пъстърва, щъркел, ябълка, къща, гълъб",
    "Greek": "τρυπάνι, κλειδί, αποθήκη, μαύρο καλώδιο, οθόνη, εκτυπωτής, Άγιος, ώρα, ήλιος, ύψος, όνομα, γραφείο",
    "Hebrew": "מקדחה, מפתח, מחסן, כבל שחור, מסך, מדפסת, שולחן, כיסא, שרת, עכבר, מקלדת, חלון",
    "Arabic": "مثقاب, مفتاح, مستودع, كابل أسود, شاشة, طابعة, مكتب, كرسي, خادم, فأرة, لوحة المفاتيح, نافذة",
    "Lithuanian": "grąžtas, raktas, sandėlis, žalias, šviesa, ąžuolas, ėjimas, įrankis, ūkis, pįnigai, vyšnia, čia, duktė, žąsis",
    "Danish": "værktøj, nøgle, bærbar, dør, rød, år, blå, grøn, køkken, måned, øst, vær, støvsuger, båd",
    "Finnish": "työkalu, pöytä, näyttö, näppäimistö, hiiri, sähköjohto, ikkuna, jääkaappi, väri, kytkin, älä, päivä, tämä",
    "Slovak": "vŕtačka, kľúč, sklad, žltý kábel, stôl, stolička, čierny, dĺžka, ťažký, veľký, ôsmy, mäkký, štvrtok, úrad",
    "Croatian": "bušilica, ključ, skladište, žuti kabel, stolić, čekić, đak, ćelav, riječ, šaraf, miš, račun, kuća, žarulja",
    "Latvian": "urbjmašīna, atslēga, noliktava, melns kabelis, galds, krēsls, ķēde, ģimene, šķīvis, žāvētājs, ūdens, ļoti, ņemt, čaula",
    "Estonian": "tööriist, võti, ladu, must juhe, laud, tool, külmkapp, öö, järv, õun, ära, šokolaad, žürii, päev",
    "Japanese": "電動ドリル, 鍵, 倉庫, 黒いケーブル, モニター, プリンター, 机, 椅子, サーバー, マウス, キーボード, 窓, 東京都, 会社名",
    "Chinese": "电钻, 钥匙, 仓库, 黑色电缆, 显示器, 打印机, 桌子, 椅子, 服务器, 鼠标, 键盘, 窗户, 北京市, 公司名称",
    "Taiwanese": "電鑽, 鑰匙, 倉庫, 黑色電纜, 顯示器, 印表機, 桌子, 椅子, 伺服器, 滑鼠, 鍵盤, 窗戶, 臺北市, 公司名稱",
    "Korean": "전동 드릴, 열쇠, 창고, 검은 케이블, 모니터, 프린터, 책상, 의자, 서버, 마우스, 키보드, 창문, 서울시, 회사 이름",
    "Thai": "สว่าน, กุญแจ, คลังสินค้า, สายเคเบิล, จอภาพ, เครื่องพิมพ์, โต๊ะ, เก้าอี้, เซิร์ฟเวอร์, เมาส์, แป้นพิมพ์, หน้าต่าง",
    "English": "“urgent” box, it’s broken, 5 € each, pump – spare, naïve café, “second” hand, don’t drop, price £9, wait…, size 10×20, 20 °C, 50 µm",
}
ENCODINGS = {
    "German": ("cp1252", "iso-8859-1", "iso-8859-15", "mac-roman", "cp850", "cp437"),
    "French": ("cp1252", "iso-8859-15", "mac-roman", "cp850"),
    "Spanish": ("cp1252", "iso-8859-1", "mac-roman", "cp850"),
    "Portuguese": ("cp1252", "iso-8859-1", "mac-roman", "cp850"),
    "Italian": ("cp1252", "mac-roman", "cp850"),
    "Swedish": ("cp1252", "iso-8859-1", "mac-roman", "cp850"),
    "Norwegian": ("cp1252", "mac-roman", "cp850"),
    "Polish": ("cp1250", "iso-8859-2", "cp852"),
    "Czech": ("cp1250", "iso-8859-2", "cp852"),
    "Hungarian": ("cp1250", "iso-8859-2", "cp852"),
    "Turkish": ("cp1254", "iso-8859-9"),
    "Russian": ("cp1251", "koi8-r", "cp866", "mac-cyrillic"),
    "Ukrainian": ("cp1251", "koi8-u"),
    "Bulgarian": ("cp1251",),
    "Greek": ("cp1253", "iso-8859-7"),
    "Hebrew": ("cp1255",),
    "Arabic": ("cp1256",),
    "Lithuanian": ("cp1257", "iso-8859-13"),
    "Danish": ("cp1252", "iso-8859-1", "cp850"),
    "Finnish": ("cp1252", "iso-8859-1", "mac-roman"),
    "Slovak": ("cp1250", "iso-8859-2"),
    "Croatian": ("cp1250", "iso-8859-2"),
    "Latvian": ("cp1257", "iso-8859-13"),
    "Estonian": ("cp1257", "cp1252"),
    "Japanese": ("cp932", "euc_jp"),
    "Chinese": ("gb18030",),
    "Taiwanese": ("big5",),
    "Korean": ("cp949",),
    "Thai": ("cp874",),
    "English": ("cp1252", "mac-roman"),
}
HEADER = "external_id;name;status;price"
ROWS = 300


@dataclass(frozen=True, slots=True)
class Sample:
    language: str
    encoding: str
    is_sparse: bool
    text: str

    @property
    def content(self) -> bytes:
        return self.text.encode(self.encoding)


def samples() -> Iterator[Sample]:
    """Each language in each of its encodings, dense and sparse. Words that an encoding
    does not have are left out."""
    for language, encodings in ENCODINGS.items():
        for encoding in encodings:
            words = [
                word
                for word in LANGUAGES[language].split(", ")
                if word.encode(encoding, "ignore").decode(encoding) == word
            ]
            for is_sparse in (False, True):
                text = _table(words, is_sparse=is_sparse)
                yield Sample(language, encoding, is_sparse, text)


def _table(words: list[str], *, is_sparse: bool) -> str:
    if is_sparse:
        words = words[1:7]
    lines = [HEADER]
    for number in range(ROWS):
        has_word = number % 50 == 49 if is_sparse else number % 5 < 3
        index = number // 50 if is_sparse else number
        name = words[index % len(words)] if has_word else f"Laptop {number}"
        lines.append(f"A-{number};{name};in use;{number * 7 % 100},50")
    return "\r\n".join(lines) + "\r\n"
